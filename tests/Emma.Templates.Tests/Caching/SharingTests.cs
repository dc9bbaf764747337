using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// A heap with one thread and one segment has nothing compiled that takes care of others (<c>CompilationGroups.Sharing</c>). What
        /// happens when it needs that, and when there is no memory for it.
        /// </summary>
        public sealed class SharingTests
        {
            [Fact]
            public void One_thread_and_one_segment_have_nothing_compiled_for_others() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseOneSegmentAlone));

            [Fact]
            public void A_second_thread_has_it_compiled() => ChildProcess.MustSucceed(nameof(Scenarios.UseByASecondThread));

            [Fact]
            public void A_second_segment_has_it_compiled_and_empties() => ChildProcess.MustSucceed(nameof(Scenarios.UseASecondSegment));

            [Fact]
            public void Without_memory_for_it_one_segment_serves_one_thread_and_everything_else_is_out_of_memory() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseWithoutSharing));

            [Fact]
            public void Without_memory_for_it_any_thread_may_free_at_the_same_time() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FreeTogetherWithoutSharing));

            [Fact]
            public void Without_memory_for_it_a_dead_threads_lock_is_waited_for_until_there_is_some() =>
                ChildProcess.MustSucceed(nameof(Scenarios.WaitForADeadOwnerWithoutSharing));

            [Fact]
            public void However_many_threads_come_together_each_has_its_block() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ComeTogether));

            [Fact]
            public void Threads_that_are_first_together_share() => ChildProcess.MustSucceed(nameof(Scenarios.BeFirstTogether));
        }

        public static partial class Scenarios
        {
            private static bool IsShared => Compilation.Has(CompilationGroups.Sharing);

            public static void UseOneSegmentAlone()
            {
                ShadowBlock[] blocks = AllocateMany(500);
                FreeAll(blocks);
                Must(!IsShared, "the group was compiled for one thread and one segment");
                FreeAll(AllocateMany(500));
                Must(!IsShared, "the group was compiled where blocks were used again");
                Must(GetStatistics().LiveBlocks == 0 && IsShared, "the heap was counted without the group");
            }

            public static void UseByASecondThread()
            {
                ShadowBlock[] blocks = AllocateMany(100);
                Threads.Run(1, _ => FreeAll(AllocateMany(100)));
                Must(IsShared, "a second thread came without the group");
                FreeAll(blocks);
                AssertStatisticsAddUp();
            }

            public static void UseASecondSegment()
            {
                Free(Alloc(100));
                nuint[] blocks = new nuint[600];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Alloc(16_000);
                Must(IsShared && GetStatistics().Segments > 1, "there is no second segment");
                foreach (nuint block in blocks)
                    Free((void*)block);
                Trim();
                Must(GetStatistics().Segments == 0, "a segment stays");
            }

            public static void UseWithoutSharing()
            {
                Free(Alloc(100));
                List<ShadowBlock> blocks = [];
                using (new RefusedCompiler())
                {
                    for (ShadowBlock block = TryAllocate(16_000); block.Address != 0; block = TryAllocate(16_000))
                        blocks.Add(block);
                    Must(blocks.Count > 100, $"one segment has room for {blocks.Count} blocks only");
                    Expect.Throws<OutOfMemoryException>(() => Alloc(16_000));
                    Must(TryAlloc(5 << 20) == null && TryAlloc(100_000) == null, "a large block without the code for it");
                    Must(TryRealloc((void*)blocks[0].Address, 20_000) == null, "a block resized without the code for it");
                    Must(Trim() == 0, "trimmed without the code for it");
                    Threads.Run(1, _ => Must(TryAlloc(16) == null, "a second thread has a block without the code for it"));
                    // Room again where there was some before.
                    Check(blocks);
                    FreeAll([.. blocks]);
                    blocks.Clear();
                    for (int i = 0; i < 100; i++)
                        blocks.Add(TryAllocate(16_000));
                    Must(!IsShared, "the group is there all the same");
                }

                Check(blocks);
                Threads.Run(1, _ => FreeAll(AllocateMany(100)));
                Free(Alloc(5 << 20));
                FreeAll([.. blocks]);
                AssertStatisticsAddUp();
                Must(IsShared && GetStatistics().InUseBytes == 0, "blocks are lost");
                Destroy();
            }

            public static void FreeTogetherWithoutSharing()
            {
                const int threads = 4;
                Free(Alloc(100));
                using (new RefusedCompiler())
                {
                    for (int round = 0; round < 30; round++)
                    {
                        ShadowBlock[] blocks = AllocateMany(4000);
                        Threads.Run(threads + 1, thread =>
                        {
                            for (int i = thread; i < blocks.Length; i += threads + 1)
                            {
                                Check([blocks[i]]);
                                Free((void*)blocks[i].Address);
                            }
                        });
                    }

                    Must(!IsShared, "the group is there all the same");
                }

                Must(GetStatistics().LiveBlocks == 0, $"{GetStatistics().LiveBlocks} blocks are live");
                AssertStatisticsAddUp();
            }

            public static void WaitForADeadOwnerWithoutSharing()
            {
                HeapState.EnsureRunning();
                Lock* held = (Lock*)NativeMemory.AllocZeroed((nuint)sizeof(Lock));
                Thread owner = new Thread(() => held->Acquire());
                owner.Start();
                owner.Join();
                bool told = false;
                Thread waiter = new Thread(() =>
                {
                    told = held->Acquire();
                    held->Release();
                });
                using (new RefusedCompiler())
                {
                    waiter.Start();
                    Must(!waiter.Join(50), "a dead owner's lock was taken without the code for it");
                }

                Compilation.Prepare(CompilationGroups.Sharing);
                Patience.Join(waiter, "the waiter ends");
                Must(told, "the waiter was not told");
                NativeMemory.Free(held);
            }

            public static void ComeTogether()
            {
                const int threads = 200;
                using var barrier = new Barrier(threads);
                Threads.Run(threads, thread =>
                {
                    barrier.SignalAndWait();
                    Free(Alloc(100));
                    barrier.SignalAndWait();
                    Free(Alloc((nuint)100_000));
                });
                Must(GetStatistics().LiveBlocks == 0, "blocks are lost");
            }

            public static void BeFirstTogether()
            {
                HeapState.EnsureRunning();
                using var barrier = new Barrier(4);
                Threads.Run(4, _ =>
                {
                    barrier.SignalAndWait();
                    FreeAll(AllocateMany(1000));
                });
                Must(IsShared, "four threads came without the group");
                AssertStatisticsAddUp();
            }

            // Small blocks of some sizes, with a pattern of each one's own.
            private static ShadowBlock[] AllocateMany(int count)
            {
                ShadowBlock[] blocks = new ShadowBlock[count];
                for (int i = 0; i < count; i++)
                {
                    blocks[i] = TryAllocate((nuint)(i % 7 * 40 + 8));
                    Must(blocks[i].Address != 0, "out of memory");
                }

                return blocks;
            }

            private static ShadowBlock TryAllocate(nuint size)
            {
                nuint block = (nuint)TryAlloc(size);
                if (block != 0)
                    Pattern.Write((void*)block, size, block);
                return new ShadowBlock(block, size, 16, block);
            }

            private static void Check(IEnumerable<ShadowBlock> blocks)
            {
                foreach (ShadowBlock block in blocks)
                    Must(Pattern.FirstDifference((void*)block.Address, block.Size, block.Seed) < 0, $"{block} has changed");
            }

            private static void FreeAll(ShadowBlock[] blocks)
            {
                Check(blocks);
                foreach (ShadowBlock block in blocks)
                    Free((void*)block.Address);
            }
        }
    }
}
