using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// C libraries as Debian has them, each at its main job with its memory in a plugin's heap under a limit. In a process of its own:
        /// some of them keep what they were given for good.
        /// </summary>
        public sealed class CallbackLibraryTests
        {
            public static TheoryData<string, string, string> Libraries => new()
            {
                { "libsqlite3.so.0", "libsqlite3-0", nameof(CallbackLibraryWork.Sqlite) },
                { "libz.so.1", "zlib1g", nameof(CallbackLibraryWork.Zlib) },
                { "libzstd.so.1", "libzstd1", nameof(CallbackLibraryWork.Zstd) },
                { "libbrotlienc.so.1", "libbrotli1", nameof(CallbackLibraryWork.Brotli) },
                { "libbz2.so.1.0", "libbz2-1.0", nameof(CallbackLibraryWork.Bzip2) },
                { "libcurl.so.4", "libcurl4", nameof(CallbackLibraryWork.Curl) },
                { "liblua5.4.so.0", "liblua5.4-0", nameof(CallbackLibraryWork.Lua) },
                { "libxml2.so.2", "libxml2", nameof(CallbackLibraryWork.Xml2) },
                { "libexpat.so.1", "libexpat1", nameof(CallbackLibraryWork.Expat) },
            };

            [Theory]
            [MemberData(nameof(Libraries))]
            public void A_library_does_its_job_in_a_heap_with_a_limit_gives_all_back_and_the_heap_unloads(
                string library, string package, string job) => Drive(library, package, nameof(Scenarios.DriveALibrary), job);

            /// <summary>By machine code, where there is any.</summary>
            [Theory]
            [MemberData(nameof(Libraries))]
            public void A_library_does_its_job_in_the_heap_of_a_program_that_cannot_be_unloaded(
                string library, string package, string job) => Drive(library, package, nameof(Scenarios.DriveALibraryInAProgram), job);

            private static void Drive(string library, string package, string scenario, string job)
            {
                Expect.SkipUnless(
                    NativeLibrary.TryLoad(library, out _), $"{library} is not installed. Debian has it: apt-get install {package}");
                ChildProcess.MustSucceed(scenario, (Scenarios.Job, job));
            }
        }

        public static partial class Scenarios
        {
            internal const string Job = "EMMA_JOB";

            public static void DriveALibrary()
            {
                string job = Environment.GetEnvironmentVariable(Job)!;
                foreach (nuint address in FreshCopy.RunAndUnload(job, typeof(CallbackLibraryWork).FullName))
                    Must(ProcessMaps.FindOfHeap(address) is null, $"0x{address:x} is mapped");
            }

            public static void DriveALibraryInAProgram()
            {
                typeof(CallbackLibraryWork).GetMethod(Environment.GetEnvironmentVariable(Job)!)!.Invoke(null, null);
                Must((Heap->CodeForC != 0) == CEntryCode.IsPossible, "machine code");
            }
        }
    }
}
