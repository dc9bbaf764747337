using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What Trim finds in caches and depots.</summary>
        public sealed class CacheTrimTests : HeapTest
        {
            [Fact]
            public void Trim_gives_back_what_the_dead_the_caller_and_the_depots_kept()
            {
                Crew.Run(4, seed => UseAndFree(seed, 4_000));
                UseAndFree(9, 4_000);
                HeapStatistics before = GetStatistics();
                Expect.Equal((nuint)0, (nuint)before.InUseBytes);
                Expect.True((nuint)before.CachedBytes > 1 << 20);
                Trim();
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)0, (nuint)s.InUseBytes + (nuint)s.CachedBytes + (nuint)s.FreeBytes);
                Expect.Equal(0, s.Segments);
                Expect.InRange(s.ThreadCaches, 0, 1 + LivingOwners());
                AssertStatisticsAddUp();
                Expect.Equal((nuint)0, Trim());
            }

            [Fact]
            public void After_Trim_of_a_heap_without_live_blocks_four_pages_are_resident_at_most()
            {
                void* block = Alloc(64);
                Window* window = Space->Find((nuint)block);
                Free(block);
                Crew.Run(4, seed => UseAndFree(seed, 4_000));
                UseAndFree(9, 4_000);
                Trim();
                int pages = ResidentMemory.PagesIn((nuint)window, (nuint)window + window->MetadataLength)
                    + ResidentMemory.PagesIn(window->Base, window->Base + window->Size);
                Expect.True(pages <= 4 || HasOtherHeapIn(window), $"{pages} pages are resident");
            }

            [Fact]
            public void Trim_leaves_alone_what_a_living_thread_keeps_and_that_thread_uses_it_on()
            {
                using var turn = new Barrier(2);
                Crew.Run(2, number =>
                {
                    if (number == 1)
                    {
                        Crew.Meet(turn);
                        nuint cached = (nuint)GetStatistics().CachedBytes;
                        Expect.True(cached > 0);
                        Trim();
                        Expect.Equal(cached, (nuint)GetStatistics().CachedBytes);
                        Crew.Meet(turn);
                        return;
                    }

                    nuint[] blocks = Enumerable.Range(0, 30).Select(_ => (nuint)Alloc(300)).ToArray();
                    foreach (nuint block in blocks)
                        Free((void*)block);
                    Crew.Meet(turn);
                    Crew.Meet(turn);
                    for (int i = blocks.Length - 1; i >= 0; i--)
                    {
                        Expect.Equal(blocks[i], (nuint)Alloc(300));
                        Free((void*)blocks[i]);
                        Expect.Equal(blocks[i], (nuint)Alloc(300));
                    }

                    foreach (nuint block in blocks)
                        Free((void*)block);
                });
            }

            [Fact]
            public void Trim_by_several_threads_at_once_while_others_use_the_heap_loses_nothing()
            {
                int working = 3;
                Crew.Run(5, seed =>
                {
                    if (seed >= 3)
                    {
                        while (Volatile.Read(ref working) > 0)
                            Trim();
                        return;
                    }

                    try
                    {
                        for (int round = 0; round < 5; round++)
                            UseAndFree(seed * 100 + round, 1_500);
                    }
                    finally
                    {
                        Interlocked.Decrement(ref working);
                    }
                });
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Trim();
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)0, (nuint)s.InUseBytes + (nuint)s.CachedBytes + (nuint)s.FreeBytes);
                Expect.Equal(0, s.Segments);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void The_memory_of_magazines_does_not_grow_with_the_number_of_times_a_heap_is_trimmed()
            {
                UseAndFree(1, 3_000);
                nuint header = 0;
                for (int i = 0; i < 60; i++)
                {
                    Crew.Run(3, seed => UseAndFree(seed + i, 500));
                    Trim();
                    if (i == 5)
                        header = (nuint)GetStatistics().HeaderBytes;
                }

                nuint grown = (nuint)GetStatistics().HeaderBytes - header;
                Expect.True(grown <= 4 * MagazineStore.GrowBytes, $"{grown} bytes more than after six rounds");
            }

            // Threads of the test runner that have used the heap.
            private static int LivingOwners() => CacheInternals.All().Count(cache =>
                CacheOwner.IdIn(((ThreadCache*)cache)->Owner.Word) is var owner && owner != 0 && owner != CurrentThread.Id
                && !KernelThreads.IsDead(KernelThreads.ProcessId(), owner));

            private static void UseAndFree(int seed, int count)
            {
                Random random = new Random(seed);
                List<ShadowBlock> blocks = [];
                for (int i = 0; i < count; i++)
                {
                    blocks.Add(Stamp.Alloc(Stamp.AnySize(random, i % 10 == 0 ? 100_000 : 3_000)));
                    if (random.Next(3) == 0)
                    {
                        int index = random.Next(blocks.Count);
                        Stamp.CheckAndFree(blocks[index], $"(seed {seed}, step {i})");
                        blocks[index] = blocks[^1];
                        blocks.RemoveAt(blocks.Count - 1);
                    }
                }

                blocks.ForEach(block => Stamp.CheckAndFree(block, $"(seed {seed}, end)"));
            }
        }
    }
}
