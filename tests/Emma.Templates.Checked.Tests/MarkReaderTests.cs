using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>A segment and its marks are not unmapped while a thread reads them that has no right to be there.</summary>
        public sealed class MarkReaderTests : HeapTest
        {
            [Fact]
            public void What_a_thread_reads_is_discarded_but_stays_mapped_until_it_has_done() =>
                InThreadThatReads((cache, block) => ThreadCache.BeginReading(cache, block), (cache, _) => ThreadCache.EndReading(cache));

            [Fact]
            public void So_is_what_a_thread_without_a_cache_reads() =>
                InThreadThatReads(
                    (_, _) => Interlocked.Increment(ref UncachedReaders),
                    (_, _) => Interlocked.Decrement(ref UncachedReaders));

            /// <summary>Whoever frees live blocks is never in the way of a segment that holds nothing.</summary>
            [Fact]
            public void A_free_of_a_live_block_keeps_no_segment()
            {
                FillFirstSegmentWithRuns(out nint[] runs);
                Threads.RunBeside(
                    () =>
                    {
                        for (int i = 0; i < 1000; i++)
                            Free(Alloc(64));
                    },
                    () =>
                    {
                        for (int i = 0; i < 300; i++)
                        {
                            void*[] blocks = new void*[12];
                            for (int j = 0; j < blocks.Length; j++)
                                blocks[j] = Alloc(1 << 20);
                            foreach (void* block in blocks)
                                Free(block);
                            Expect.Equal((nuint)0, Space->Retained);
                        }
                    });
                Expect.All(runs, run => Free((void*)run));
            }

            private static void FillFirstSegmentWithRuns(out nint[] runs) =>
                runs = [.. Enumerable.Range(0, 60).Select(_ => (nint)Alloc(Segment.PageSize))];

            /// <summary>What the kernel would not unmap, and a thread then reads, is counted once, and goes in the end.</summary>
            [Fact]
            public void Marks_that_are_retained_again_are_not_forgotten()
            {
                using var kernel = new FaultyKernel();
                nuint segment = Scenarios.NewSegment(out void* pin);
                nuint marks = (nuint)LiveMarks.MarkOf(segment);
                *(byte*)marks = 1;
                Free(pin);
                // The segment goes, its marks do not.
                kernel.Begin(new Fault(CallKind.Munmap, 2, Failure.NoMemory, Lasts: true));
                Trim();
                Expect.Equal((SlotKind.Retained, (nuint)0), (Space->KindAt(segment), Space->LengthAt(segment)));
                Expect.Equal(0, *(byte*)marks);
                AssertStatisticsAddUp();

                kernel.Clear();
                ThreadCache* cache = Small->Caches.Current();
                ThreadCache.BeginReading(cache, segment + 64);
                Trim();
                ThreadCache.EndReading(cache);
                Expect.Equal(SlotKind.Retained, Space->KindAt(segment));
                AssertStatisticsAddUp();
                Trim();
                Expect.Equal(SlotKind.Free, Space->KindAt(segment));
                Destroy();
                Expect.Equal(0, kernel.Mapped.Count);
            }

            [Fact]
            public void A_thread_that_died_reads_no_more()
            {
                nuint segment = Scenarios.NewSegment(out void* pin);
                Threads.Run(1, _ => ThreadCache.BeginReading(Small->Caches.Current(), (nuint)pin));
                Free(pin);
                Trim();
                Expect.Equal(SlotKind.Free, Space->KindAt(segment));
            }

            [Fact]
            public void A_free_of_what_is_free_may_be_overtaken_by_the_end_of_its_segment_at_any_instruction() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UnmapASegmentAtEachInstructionOfAFree), EachInstruction.QuietRuntime);

            private static ref int UncachedReaders => ref *(int*)&Small->Readers;

            private static void InThreadThatReads(Reader begin, Reader end)
            {
                nuint segment = Scenarios.NewSegment(out void* pin);
                nuint marks = (nuint)LiveMarks.MarkOf(segment);
                using var reads = new ManualResetEventSlim();
                using var trimmed = new ManualResetEventSlim();
                Thread reader = new Thread(() =>
                {
                    ThreadCache* cache = Small->Caches.Current();
                    begin(cache, (nuint)pin);
                    reads.Set();
                    trimmed.Wait();
                    end(cache, (nuint)pin);
                });
                reader.Start();
                reads.Wait();
                Free(pin);
                Trim();
                Expect.Equal(SlotKind.Retained, Space->KindAt(segment));
                // Whoever reads marks reads nothing of the segment: where pages are committed it has none.
                if (VirtualMemory.CommitsPages)
                    Expect.False(ProcessMaps.IsMapped((nuint)pin));
                else
                    Expect.Equal(0, *(byte*)pin);
                Expect.Equal(LiveMarks.BytesPerSegment, ProcessMaps.BytesIn(marks, marks + LiveMarks.BytesPerSegment));
                Expect.Equal(Segment.Size, Space->Retained);
                AssertStatisticsAddUp((void*)segment);
                Trim();
                Expect.Equal(SlotKind.Retained, Space->KindAt(segment));
                trimmed.Set();
                reader.Join();

                Trim();
                Expect.Equal(SlotKind.Free, Space->KindAt(segment));
                Expect.Equal(0U, ProcessMaps.BytesIn(marks, marks + LiveMarks.BytesPerSegment));
                Expect.Equal((nuint)0, Space->Retained);
            }

            private delegate void Reader(ThreadCache* cache, nuint block);
        }

        public static partial class Scenarios
        {
            private const int SmallSize = 64;

            private static nuint s_stale;
            private static bool s_given;

            /// <summary>
            /// A thread frees what is free. Before one of its instructions, each in its turn, it stands still until another thread has
            /// freed what else lived in the segment, and had it unmapped if it could be.
            /// </summary>
            public static void UnmapASegmentAtEachInstructionOfAFree()
            {
                EachInstruction.Require();
                using var begun = new SemaphoreSlim(0);
                using var done = new SemaphoreSlim(0);
                bool stop = false;
                Thread stepped = new Thread(() =>
                {
                    // Its magazine has blocks, and room for more; their slab has no free block that would serve the first thread.
                    nint[] blocks = new nint[Segment.PageSize / SmallSize];
                    for (int i = 0; i < blocks.Length; i++)
                        blocks[i] = (nint)Alloc(SmallSize);
                    for (int i = 0; i < 10; i++)
                        Free((void*)blocks[i]);
                    done.Release();
                    while (true)
                    {
                        begun.Wait();
                        if (Volatile.Read(ref stop))
                            break;
                        EachInstruction.Run(&HeldAtAnInstruction.Visit, static () => s_given = TryGiveStale());
                        done.Release();
                    }
                });
                stepped.IsBackground = true;
                stepped.Start();
                done.Wait();
                FillFirstSegment();

                int retained = 0;
                int unmapped = 0;
                for (int instruction = 1; ; instruction++)
                {
                    void* block = Alloc(SmallSize);
                    void* pin = Alloc(SmallSize);
                    nuint segment = (nuint)block & ~(Segment.Size - 1);
                    Expect.Equal(segment, (nuint)pin & ~(Segment.Size - 1));
                    Free(block);
                    s_stale = (nuint)block;
                    s_given = true;
                    HeldAtAnInstruction.Begin(instruction);
                    begun.Release();
                    bool held = HeldAtAnInstruction.Wait(done);
                    Free(pin);
                    Trim();
                    if (Space->KindAt(segment) == SlotKind.Retained)
                        retained++;
                    else
                        unmapped++;
                    HeldAtAnInstruction.LetGo();
                    if (held)
                        done.Wait();
                    Expect.False(s_given);
                    Trim();
                    Expect.Equal(SlotKind.Free, Space->KindAt(segment));
                    if (!held)
                        break;
                }

                Console.WriteLine($"unmapped at {unmapped} instructions, retained at {retained}");
                Expect.InRange(retained, 5, 200);
                Expect.InRange(unmapped, 20, 2000);
                Volatile.Write(ref stop, true);
                begun.Release();
                stepped.Join();
            }

            private static bool TryGiveStale()
            {
                void* block = (void*)s_stale;
                return SmallBlocks.TryGive(ref block);
            }

            // A segment in which one small block lives: the first is full.
            internal static nuint NewSegment(out void* block)
            {
                FillFirstSegment();
                block = Alloc(SmallSize);
                Expect.Equal(2, GetStatistics().Segments);
                return (nuint)block & ~(Segment.Size - 1);
            }

            private static void FillFirstSegment()
            {
                void* run = null;
                while (GetStatistics().Segments < 2)
                    run = Alloc(Segment.PageSize);
                Free(run);
                Trim();
                Expect.Equal(1, GetStatistics().Segments);
            }

            private static class HeldAtAnInstruction
            {
                private static int s_count;
                private static int s_chosen;
                private static int s_isHeld;
                private static int s_mayGo;

                internal static void Visit(InterruptedThread* thread)
                {
                    if (++s_count != s_chosen)
                        return;
                    Volatile.Write(ref s_isHeld, 1);
                    while (Volatile.Read(ref s_mayGo) == 0)
                    {
                    }
                }

                internal static void Begin(int instruction)
                {
                    s_count = 0;
                    s_chosen = instruction;
                    s_mayGo = 0;
                    s_isHeld = 0;
                }

                // Whether the thread is held; else it has come to the end.
                internal static bool Wait(SemaphoreSlim done)
                {
                    while (Volatile.Read(ref s_isHeld) == 0)
                    {
                        if (done.Wait(0))
                            return false;
                        Thread.Yield();
                    }

                    return true;
                }

                internal static void LetGo() => Volatile.Write(ref s_mayGo, 1);
            }
        }
    }
}
