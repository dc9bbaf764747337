using System.Diagnostics;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What the layers above ask the kernel layer for, of a system that behaves as macOS does.</summary>
        public sealed class DarwinKernelTests : HeapTest
        {
            private const nuint Page = 16 << 10;

            private const int LongTime = 10_000;

            [Fact]
            public void The_heap_reaches_the_kernel_through_the_systems_libraries_and_has_no_machine_code()
            {
                Expect.Equal(KernelAccess.SystemLibraries, Kernel);
                Expect.Equal((nuint)0, KernelEntry.MappedBytes);
                Expect.False(KernelEntry.TakesCode);
                Expect.Equal(Page, Heap->KernelPage);
            }

            [Fact]
            public void MapAt_gives_zeros_at_a_free_address()
            {
                nuint address = FreeAddress(4);
                Expect.Equal((nint)address, VirtualMemory.MapAt(address, 4 * Page, Page));
                Expect.True(Pattern.IsZero((void*)address, 4 * Page));
                Pattern.Write((void*)address, 4 * Page, 1);
                Expect.True(VirtualMemory.TryUnmap(address, 4 * Page));
                Expect.False(ProcessMaps.IsMapped(address));
            }

            [Theory]
            [InlineData(true)]
            [InlineData(false)]
            public void MapAt_where_something_is_says_so_changes_nothing_and_leaves_nothing_elsewhere(bool overlapsOnly)
            {
                using var kernel = new FaultyKernel();
                nuint address = FreeAddress(4);
                VirtualMemory.MapAt(address + Page, Page, Page);
                *(int*)(address + Page) = 42;
                nint result = overlapsOnly
                    ? VirtualMemory.MapAt(address, 2 * Page, 2 * Page)
                    : VirtualMemory.ReserveAt(address + Page, Page);
                Expect.Equal(VirtualMemory.PlaceTaken, result);
                Expect.Equal(42, *(int*)(address + Page));
                Expect.Equal(1, kernel.Mapped.Count);
                Expect.True(VirtualMemory.TryUnmap(address + Page, Page));
            }

            [Fact]
            public void MapAt_whose_address_the_kernel_does_not_heed_leaves_nothing_elsewhere()
            {
                using var kernel = new FaultyKernel();
                nuint address = FreeAddress(2);
                kernel.Begin(new Fault(CallKind.Mmap, 1, Failure.Elsewhere, Lasts: true));
                Expect.Equal(VirtualMemory.PlaceTaken, VirtualMemory.MapAt(address, Page, Page));
                Expect.Equal(VirtualMemory.PlaceTaken, VirtualMemory.MapPieceAt(address, Page));
                Expect.False(VirtualMemory.TryMapBehind(address, Page));
                Expect.Equal(0, kernel.Mapped.Count);
            }

            [Fact]
            public void MapAt_without_memory_is_another_error_than_of_a_place_that_is_taken()
            {
                using var kernel = new FaultyKernel();
                kernel.Begin(new Fault(CallKind.Mmap, 1, Failure.NoMemory));
                Expect.Equal(-Syscalls.ErrorNoMemory, VirtualMemory.MapAt(FreeAddress(1), Page, Page));
            }

            [Fact]
            public void What_is_given_back_reads_as_zeros_and_keeps_its_contents_where_the_kernel_refuses()
            {
                using var kernel = new FaultyKernel();
                nuint address = FreeAddress(3);
                VirtualMemory.MapAt(address, 3 * Page, 3 * Page);
                foreach (bool mayBeRead in new[] { false, true })
                {
                    Pattern.Write((void*)address, 3 * Page, 5);
                    kernel.Begin(new Fault(CallKind.Madvise, 1, Failure.NoMemory));
                    Expect.False(GiveBack(address + Page, mayBeRead));
                    Expect.Equal(-1, Pattern.FirstDifference((void*)address, 3 * Page, 5));
                    Expect.True(GiveBack(address + Page, mayBeRead));
                    Expect.True(Pattern.IsZero((void*)(address + Page), Page));
                    Expect.Equal(-1, Pattern.FirstDifference((void*)address, Page, 5));
                }

                Expect.Null(kernel.Trespass);
                Expect.True(VirtualMemory.TryUnmap(address, 3 * Page));

                static bool GiveBack(nuint page, bool mayBeRead) =>
                    mayBeRead ? VirtualMemory.TryDiscard(page, Page) : VirtualMemory.TryDecommit(page, Page);
            }

            [Fact]
            public void A_mapping_grows_where_it_lies_if_nothing_is_behind_it_and_is_never_moved()
            {
                nuint address = FreeAddress(8);
                VirtualMemory.MapAt(address, 2 * Page, 2 * Page);
                Pattern.Write((void*)address, 2 * Page, 3);
                Expect.True(VirtualMemory.TryLengthen(address, 2 * Page, 4 * Page));
                Expect.Equal(-1, Pattern.FirstDifference((void*)address, 2 * Page, 3));
                Expect.True(Pattern.IsZero((void*)(address + 2 * Page), 2 * Page));

                VirtualMemory.MapAt(address + 5 * Page, Page, Page);
                Expect.False(VirtualMemory.TryLengthen(address, 4 * Page, 6 * Page));
                Expect.False(ProcessMaps.IsMapped(address + 4 * Page));
                Expect.False(VirtualMemory.CanMove);
                Expect.False(VirtualMemory.TryMove(address, Page, 2 * Page, address + 6 * Page));
                Expect.True(VirtualMemory.TryUnmap(address, 6 * Page));
            }

            [Fact]
            public void Guarded_pages_have_no_access_and_are_zeros_when_they_are_open_again()
            {
                nuint address = FreeAddress(3);
                VirtualMemory.MapAt(address, 3 * Page, 3 * Page);
                Pattern.Write((void*)address, 3 * Page, 9);
                Expect.True(VirtualMemory.TryGuard(address + Page, Page));
                Expect.Equal("---p", RightsAt(address + Page));
                Expect.Equal("rw-p", RightsAt(address));
                Expect.True(VirtualMemory.TryUnguard(address + Page, Page));
                Expect.True(Pattern.IsZero((void*)(address + Page), Page));

                Expect.True(VirtualMemory.TryProtect(address, Page, accessible: false));
                Expect.Equal("---p", RightsAt(address));
                Expect.True(VirtualMemory.TryProtect(address, Page, accessible: true));
                Expect.Equal(-1, Pattern.FirstDifference((void*)address, Page, 9));
                Expect.True(VirtualMemory.TryUnmap(address, 3 * Page));
            }

            [Fact]
            public void Numbers_are_drawn_and_a_refusal_is_told()
            {
                ulong first = 0;
                ulong second = 0;
                Expect.True(VirtualMemory.TryDraw(&first) && VirtualMemory.TryDraw(&second));
                Expect.NotEqual(first, second);
                using var kernel = new FaultyKernel();
                kernel.Begin(new Fault(CallKind.GetRandom, 1, Failure.NoMemory));
                Expect.False(VirtualMemory.TryDraw(&first));
            }

            [Theory]
            [InlineData(false)]
            [InlineData(true)]
            public void A_thread_is_dead_when_its_port_is_gone_or_dead_and_not_before(bool keepsDeadNames)
            {
                using var kernel = new FaultyKernel();
                DarwinSystem.KeepsDeadNames = keepsDeadNames;
                try
                {
                    int process = KernelThreads.ProcessId();
                    Expect.Equal(Environment.ProcessId, process);
                    Expect.False(KernelThreads.IsDead(process, KernelThreads.CurrentId()));
                    using var held = new ManualResetEventSlim();
                    int id = 0;
                    Thread thread = new Thread(() =>
                    {
                        Volatile.Write(ref id, KernelThreads.CurrentId());
                        held.Wait();
                    });
                    thread.Start();
                    Patience.Until(() => Volatile.Read(ref id) != 0, "the thread says who it is");
                    Expect.NotEqual(KernelThreads.CurrentId(), id);
                    Expect.False(KernelThreads.IsDead(process, id));
                    held.Set();
                    thread.Join();
                    Patience.Until(() => KernelThreads.IsDead(process, id), "the thread is dead");

                    // A port that got its name, and an answer that is none, do not tell that it is.
                    DarwinSystem.Reused = id;
                    Expect.False(KernelThreads.IsDead(process, id));
                    DarwinSystem.Reused = 0;
                    Expect.True(KernelThreads.IsDead(process, id));
                    kernel.Begin(new Fault(CallKind.TgKill, 1, Failure.NoMemory));
                    Expect.False(KernelThreads.IsDead(process, id));
                }
                finally
                {
                    DarwinSystem.KeepsDeadNames = false;
                    DarwinSystem.Reused = 0;
                }
            }

            [Theory]
            [InlineData(false)]
            [InlineData(true)]
            public void A_wait_ends_when_the_word_has_changed_or_the_time_has_passed(bool isOld)
            {
                using var _ = new Functions(isOld);
                int* word = (int*)NativeMemory.AllocZeroed(sizeof(int));
                *word = -3;
                Expect.False(KernelThreads.WaitInVain(word, 4, LongTime));
                long begin = Stopwatch.GetTimestamp();
                Expect.True(KernelThreads.WaitInVain(word, -3, 300));
                Expect.True(Stopwatch.GetElapsedTime(begin).TotalMilliseconds >= 290);

                bool inVain = true;
                Thread sleeper = new Thread(() => inVain = KernelThreads.WaitInVain(word, -3, int.MaxValue / 1000));
                sleeper.Start();
                Thread.Sleep(20);
                Volatile.Write(ref *word, 1);
                KernelThreads.WakeOne(word);
                Patience.Join(sleeper, "who waits is woken, or looks");
                Expect.False(inVain);
                NativeMemory.Free(word);
            }

            [Theory]
            [InlineData(false)]
            [InlineData(true)]
            public void Locks_exclude_threads_that_sleep_on_them(bool isOld)
            {
                using var _ = new Functions(isOld);
                long count = 0;
                const int turns = 2000;
                Threads.Run(4, _ =>
                {
                    for (int i = 0; i < turns; i++)
                    {
                        Giving->Acquire();
                        long before = Volatile.Read(ref count);
                        if (i % 100 == 0)
                            Thread.Sleep(1);
                        Volatile.Write(ref count, before + 1);
                        Giving->Release();
                    }
                });
                Expect.Equal(4L * turns, count);
            }

            [Fact]
            public void The_words_of_threads_are_keys_of_64_bits()
            {
                ThreadKey key = ThreadKey.Create()!;
                Expect.Equal(0, key.Value);
                Expect.True(key.TrySet(5));
                Expect.Equal(5, key.Value);
                Threads.Run(1, _ => Expect.Equal(0, key.Value));
                key.Delete();
            }

            private static string RightsAt(nuint address) =>
                ProcessMaps.Read().Single(mapping => mapping.Start <= address && address < mapping.End).Rights;

            // Addresses between the heap's windows and the kernel's own choices: nobody else maps there.
            private static nuint FreeAddress(nuint pages)
            {
                nuint address = unchecked((nuint)0x6100_0000_0000UL) + (nuint)Random.Shared.Next(1 << 20) * 16 * Page;
                Expect.Equal((nuint)0, ProcessMaps.BytesIn(address, address + pages * Page));
                return address;
            }

            // Has the heap go without the functions that came with macOS 14.4, or not, until disposed.
            private sealed class Functions : IDisposable
            {
                private readonly DarwinFunctions _former = Heap->Darwin;

                internal Functions(bool isOld)
                {
                    if (!isOld)
                        return;

                    DarwinFunctions old = _former;
                    old.WaitOnAddress = 0;
                    old.WakeByAddress = 0;
                    Heap->Darwin = old;
                }

                public void Dispose() => Heap->Darwin = _former;
            }
        }
    }
}
