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
            [Theory]
            [InlineData("libsqlite3.so.0", "libsqlite3-0", nameof(CallbackLibraryWork.Sqlite))]
            [InlineData("libz.so.1", "zlib1g", nameof(CallbackLibraryWork.Zlib))]
            [InlineData("libzstd.so.1", "libzstd1", nameof(CallbackLibraryWork.Zstd))]
            [InlineData("libbrotlienc.so.1", "libbrotli1", nameof(CallbackLibraryWork.Brotli))]
            [InlineData("libbz2.so.1.0", "libbz2-1.0", nameof(CallbackLibraryWork.Bzip2))]
            [InlineData("libcurl.so.4", "libcurl4", nameof(CallbackLibraryWork.Curl))]
            [InlineData("liblua5.4.so.0", "liblua5.4-0", nameof(CallbackLibraryWork.Lua))]
            [InlineData("libxml2.so.2", "libxml2", nameof(CallbackLibraryWork.Xml2))]
            [InlineData("libexpat.so.1", "libexpat1", nameof(CallbackLibraryWork.Expat))]
            public void A_library_does_its_job_in_a_heap_with_a_limit_gives_all_back_and_the_heap_unloads(
                string library, string package, string job)
            {
                Expect.SkipUnless(
                    NativeLibrary.TryLoad(library, out _), $"{library} is not installed. Debian has it: apt-get install {package}");
                ChildProcess.MustSucceed(nameof(Scenarios.DriveALibrary), (Scenarios.Job, job));
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
        }
    }
}
