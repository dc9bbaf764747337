using System.Collections.Concurrent;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Threads that come, use the heap and go: what they leave serves their heirs.</summary>
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class ThreadsComeAndGoTests : FewCachesTest
        {
            [Fact]
            public void Thousands_of_threads_one_after_another_need_what_the_first_few_needed()
            {
                ConcurrentQueue<ShadowBlock> legacy = [];
                Live(legacy, 100, 1);
                nuint mapped = (nuint)GetStatistics().MappedBytes;
                int caches = CacheInternals.Count;
                Live(legacy, Length.Of(1500, 10_000), 1);
                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
                Expect.Equal(caches, CacheInternals.Count);
                End(legacy);
            }

            [Fact]
            public void Thousands_of_threads_in_batches_of_sixteen_need_what_the_first_few_needed()
            {
                const int batch = 16;
                ConcurrentQueue<ShadowBlock> legacy = [];
                using var together = new Barrier(batch);
                for (int round = 0; round < 10; round++)
                {
                    // At first all live at once for certain.
                    Crew.Run(batch, number =>
                    {
                        Crew.Meet(together);
                        LiveShortly(legacy, number);
                        Crew.Meet(together);
                    });
                }

                nuint mapped = (nuint)GetStatistics().MappedBytes;
                int caches = CacheInternals.Count;
                Live(legacy, Length.Of(1500, 10_000), batch);
                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
                Expect.InRange(CacheInternals.Count, caches, caches + batch);
                End(legacy);
            }

            /// <summary>The dead are found among the living, whose number is not what new threads cost.</summary>
            [Fact]
            public void Short_threads_beside_many_that_live_on_need_no_more_caches_than_lived_at_once()
            {
                const int living = 64;
                ConcurrentQueue<ShadowBlock> legacy = [];
                using var ready = new Barrier(living + 1);
                using var done = new ManualResetEventSlim();
                Thread conductor = new Thread(() => Crew.Run(living, _ =>
                {
                    ShadowBlock block = Stamp.Alloc(200);
                    Crew.Meet(ready);
                    done.Wait();
                    Stamp.CheckAndFree(block);
                }));
                conductor.Start();
                Crew.Meet(ready);

                Live(legacy, 200, 1);
                int caches = CacheInternals.Count;
                nuint mapped = (nuint)GetStatistics().MappedBytes;
                Live(legacy, Length.Of(600, 3_000), 1);
                int grown = CacheInternals.Count - caches;
                done.Set();
                conductor.Join();
                Expect.True(grown <= 2, $"{grown} more caches than the {caches} of the first 200 threads beside {living} that live on");
                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
                End(legacy);
            }

            [Fact]
            public void Blocks_left_by_threads_long_gone_keep_their_contents_and_may_be_freed()
            {
                ConcurrentBag<ShadowBlock> left = [];
                for (int round = 0; round < 20; round++)
                {
                    int seed = round;
                    Crew.Run(8, number =>
                    {
                        Random random = new Random(seed * 8 + number);
                        for (int i = 0; i < 100; i++)
                        {
                            left.Add(Stamp.Alloc(Stamp.AnySize(random, 10_000)));
                            if (left.TryTake(out ShadowBlock other) && random.Next(3) > 0)
                                Stamp.CheckAndFree(other, $"(seed {seed}, thread {number})");
                            else if (other.Address != 0)
                                left.Add(other);
                        }
                    });
                }

                while (left.TryTake(out ShadowBlock block))
                    Stamp.CheckAndFree(block);
                Trim();
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Expect.Equal(0, GetStatistics().Segments);
                AssertStatisticsAddUp();
            }

            private static void Live(ConcurrentQueue<ShadowBlock> legacy, int threads, int atOnce)
            {
                for (int i = 0; i < threads; i += atOnce)
                {
                    int generation = i;
                    Crew.Run(atOnce, number => LiveShortly(legacy, generation + number));
                }
            }

            // Allocates and frees a little, leaves one block behind and frees one that others left.
            private static void LiveShortly(ConcurrentQueue<ShadowBlock> legacy, int seed)
            {
                ShadowBlock[] blocks = new ShadowBlock[12];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = Stamp.Alloc((nuint)(16 + i * 7 % 40 * 24));
                legacy.Enqueue(blocks[seed % blocks.Length]);
                for (int i = 0; i < blocks.Length; i++)
                {
                    if (i != seed % blocks.Length)
                        Stamp.CheckAndFree(blocks[i], $"(thread {seed})");
                }

                if (legacy.Count > 32 && legacy.TryDequeue(out ShadowBlock left))
                    Stamp.CheckAndFree(left, $"(freed by thread {seed})");
            }

            private static void End(ConcurrentQueue<ShadowBlock> legacy)
            {
                while (legacy.TryDequeue(out ShadowBlock block))
                    Stamp.CheckAndFree(block);
                Trim();
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Expect.Equal(0, GetStatistics().Segments);
            }
        }
    }
}
