using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Kernels as arm64 has them: with larger pages, and with fewer addresses. Each test is a process of its own.</summary>
        public sealed class OtherKernelTests
        {
            [Theory]
            [InlineData(16 << 10)]
            [InlineData(64 << 10)]
            public void A_kernel_with_larger_pages_is_asked_for_whole_ones(int bytes) =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseTheHeapOnLargerPages), (LargerPages.Variable, $"{bytes}"));

            [Theory]
            [InlineData(42)]
            [InlineData(39)]
            public void A_heap_lies_where_the_kernel_has_addresses(int bits) =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseTheHeapWithFewAddresses), (Scenarios.BitsVariable, $"{bits}"));

            [NotOnWindows("whoever has the addresses has them from libc.")]
            [Fact]
            public void A_window_is_sought_where_nothing_is_taken_among_few_addresses() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseTheHeapBetweenOthersAddresses), (Scenarios.BitsVariable, "39"));

            [Fact]
            public void A_kernel_with_many_addresses_that_has_no_memory_is_not_asked_for_lower_ones() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseTheHeapWithoutMemory));

            [Fact]
            public void The_kernel_is_asked_for_the_size_of_its_pages() =>
                Expect.Equal(LargerPages.Bytes, Heap->KernelPage);
        }

        public static partial class Scenarios
        {
            public const string BitsVariable = "EMMA_ADDRESS_BITS";

            public static void UseTheHeapOnLargerPages()
            {
                Expect.Equal(LargerPages.Forced, Heap->KernelPage);
                using (new KernelWatch(RefuseParts))
                    Work(LargerPages.Forced!.Value);
            }

            public static void UseTheHeapWithFewAddresses()
            {
                ulong end = EndOfAddresses();
                using (new KernelWatch(call => RefuseBeyond(end, call)))
                {
                    void* block = Alloc(100);
                    Expect.True((ulong)block < end && (ulong)block >= end / 16, $"0x{(ulong)block:x}");
                    Free(block);
                    Work(Heap->KernelPage);
                }
            }

            // As beside the runtime's own reservations, which take the upper part of so few addresses.
            public static void UseTheHeapBetweenOthersAddresses()
            {
                ulong end = EndOfAddresses();
                nuint others = (nuint)(end / 8 * 5);
                const int without = Syscalls.ProtNone;
                Expect.Equal((nint)others, (nint)Libc.Map((void*)others, (nuint)end - others, without, Syscalls.MapAtFreeAddress, -1, 0));
                using (new KernelWatch(call => RefuseBeyond(end, call)))
                {
                    for (int i = 0; i < 20; i++)
                    {
                        void* block = Alloc(100);
                        Window* window = Space->Find((nuint)block);
                        Expect.True(window->Base + window->Size <= others, $"0x{window->Base:x}");
                        Destroy();
                    }
                }
            }

            public static void UseTheHeapWithoutMemory()
            {
                ulong lowest = ulong.MaxValue;
                using (new KernelWatch(call =>
                {
                    if (call.Number != X64.Mmap || (call.D & MapFixedNoReplace) == 0)
                        return null;

                    lowest = Math.Min(lowest, (ulong)call.A);
                    return -Syscalls.ErrorNoMemory;
                }))
                {
                    Expect.True(TryAlloc(100) == null);
                }

                Expect.True(lowest >> 43 != 0 && lowest != ulong.MaxValue, $"0x{lowest:x}");
                Free(Alloc(100));
            }

            private static ulong EndOfAddresses()
            {
                ulong end = 1UL << int.Parse(Environment.GetEnvironmentVariable(BitsVariable)!);
                Heap->KernelAddress = (nuint)end - 1;
                return end;
            }

            private static nint? RefuseBeyond(ulong end, SystemCall call)
            {
                bool isBeyond = call.Number == X64.Mmap && (call.D & MapFixedNoReplace) != 0 && (ulong)call.A + (ulong)call.B > end;
                return isBeyond ? -Syscalls.ErrorNoMemory : null;
            }

            private const int MapFixedNoReplace = 0x10_0000;

            // What the kernel would refuse or do to more than was meant.
            private static nint? RefuseParts(SystemCall call)
            {
                bool isWhole = call.Number is not ((nint)X64.Mmap or X64.Munmap or X64.Madvise or X64.Mprotect or X64.Mremap)
                    || ((nuint)call.A % Heap->KernelPage == 0 && (nuint)call.B % Heap->KernelPage == 0
                        && (call.Number != X64.Mremap || (nuint)call.C % Heap->KernelPage == 0));
                Expect.True(isWhole, $"call {call.Number} of 0x{call.A:x}, {call.B} bytes");
                return null;
            }

            private static void Work(nuint page)
            {
                ShadowModel model = new ShadowModel(7, 32 << 20);
                model.Run(3000);
                AssertStatisticsAddUp();
                void* block = Alloc(5 << 20);
                nuint unit = IsHardened ? 1 : page;
                Expect.Equal((nuint)0, UsableSize(block) % unit);
                foreach (int size in new[] { (20 << 20) + 1, (3 << 20) + 1, (70 << 20) + 1, (9 << 20) + 1 })
                {
                    new Span<byte>(block, 3 << 20).Fill((byte)(size >> 20));
                    block = Realloc(block, (nuint)size);
                    Expect.Equal(-1, new Span<byte>(block, 3 << 20).IndexOfAnyExcept((byte)(size >> 20)));
                    Expect.Equal((nuint)0, UsableSize(block) % unit);
                }

                Free(block);
                model.CheckAll();
                model.FreeAll();
                Trim();
                AssertStatisticsAddUp();
                Destroy();
                Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
            }
        }
    }
}
