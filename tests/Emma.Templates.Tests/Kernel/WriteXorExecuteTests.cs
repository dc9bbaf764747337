using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        [Trait("Runs", "Everywhere")]
        public sealed class WriteXorExecuteTests : HeapTest
        {
            [Fact]
            [AssumesLinux("a page of machine code.")]
            public void The_code_page_is_a_page_that_can_be_executed_and_not_written()
            {
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                List<Mapping> pages = ProcessMaps.Read().FindAll(mapping => mapping.Contains(KernelMode.CodeAddress));
                Mapping page = Expect.Single(pages);
                Expect.Equal("r-xs", page.Rights);
                Expect.True(page.IsCodePage, page.Path);
                Expect.Equal((nuint)CodePage.Bytes, page.End - page.Start);
                ReadOnlySpan<byte> code = Assumption.IsX64 ? X64.Syscall : Arm64.Syscall;
                Expect.True(code.SequenceEqual(new ReadOnlySpan<byte>((void*)page.Start, code.Length)));
            }

            [Fact]
            public void No_mapping_that_a_heap_made_is_writable_and_executable()
            {
                ShadowModel model = new ShadowModel(1, 16 << 20);
                model.Run(300);
                List<Mapping> ours = ProcessMaps.Read().FindAll(mapping => mapping.IsCodePage || Space->Find(mapping.Start) != null);
                Expect.True(ours.Count >= 2);
                Expect.DoesNotContain(ours, mapping => mapping.IsWritable && mapping.IsExecutable);
                Expect.DoesNotContain(ours, mapping => !mapping.IsCodePage && mapping.IsExecutable);
                Expect.DoesNotContain(ours, mapping => mapping.IsCodePage && mapping.IsWritable);
            }

            [Fact]
            [AssumesLinux("a page of machine code.")]
            public void The_file_behind_the_code_page_is_closed()
            {
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                // A heap that some thread of another test starts meanwhile has one, too, for a moment.
                Patience.Until(
                    () => !Directory.GetFiles("/proc/self/fd").Any(IsOfCode), "no descriptor stands for a file with the code of a heap");
            }

            private static bool IsOfCode(string descriptor) => TargetOf(descriptor).Contains("memfd:emma", StringComparison.Ordinal);

            // What a descriptor stands for; nothing if it has been closed meanwhile.
            private static string TargetOf(string descriptor)
            {
                try
                {
                    return File.ResolveLinkTarget(descriptor, returnFinalTarget: false)?.FullName ?? "";
                }
                catch (FileNotFoundException)
                {
                    return "";
                }
            }

            [Fact]
            [AssumesLinux("a page of machine code.")]
            public void Asking_for_the_kernel_maps_no_block_memory()
            {
                Destroy();
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                Expect.Equal(BytesOfEmptyHeap, (nuint)GetStatistics().MappedBytes);
            }
        }
    }
}
