using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Destroy while other threads have full caches, and what these do next.</summary>
        public sealed class CacheDestroyTests : HeapTest
        {
            private const int Threads = 4;
            private const int Rounds = 40;

            [Fact]
            public void Destroy_unmaps_everything_whatever_other_threads_keep_and_they_start_anew()
            {
                using var turn = new Barrier(Threads + 1);
                Crew.Run(Threads + 1, number =>
                {
                    for (int round = 0; round < Rounds; round++)
                    {
                        if (number < Threads)
                            FillAndStartAnew(turn, number * Rounds + round);
                        else
                            DestroyBetween(turn);
                    }
                });
            }

            [Fact]
            public void After_Destroy_a_cache_of_the_dead_holds_nothing()
            {
                for (int round = 0; round < 20; round++)
                {
                    Crew.Run(Threads, seed => Fill(seed));
                    Destroy();
                    Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                    Crew.Run(Threads, seed =>
                    {
                        List<ShadowBlock> blocks = Fill(seed + 100);
                        blocks.ForEach(block => Stamp.CheckAndFree(block));
                    });
                    Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                    AssertStatisticsAddUp();
                }
            }

            private static void DestroyBetween(Barrier turn)
            {
                Crew.Meet(turn);
                Window* window = Space->Find((nuint)Alloc(1));
                nuint start = (nuint)window, metadataEnd = start + window->MetadataLength;
                nuint begin = window->Base, end = begin + window->Size;
                bool shared = HasOtherHeapIn(window);
                Expect.True((nuint)GetStatistics().CachedBytes > 0);
                Destroy();
                HeapStatistics s = GetStatistics();
                Expect.Equal(BytesOfEmptyHeap, (nuint)s.MappedBytes);
                Expect.Equal((nuint)0, (nuint)s.CachedBytes + (nuint)s.InUseBytes + (nuint)s.FreeBytes);
                AssertStatisticsAddUp();
                List<Mapping> mappings = ProcessMaps.Read();
                Expect.True(
                    shared || ProcessMaps.BytesIn(start, metadataEnd, mappings) + ProcessMaps.BytesIn(begin, end, mappings) == 0,
                    $"mapped in {start:x}-{end:x}:\n{string.Join('\n', mappings.Where(m => m.Start < end && m.End > start))}");
                Crew.Meet(turn);
                Crew.Meet(turn);
                AssertStatisticsAddUp();
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Crew.Meet(turn);
            }

            private static void FillAndStartAnew(Barrier turn, int seed)
            {
                LocalHeap local = Local;
                List<ShadowBlock> before = Fill(seed);
                for (int i = 0; i < before.Count; i += 2)
                    local.Free((void*)before[i].Address);
                Crew.Meet(turn);
                Crew.Meet(turn);

                // The first use is an allocation here, a free there, by way of the heap or of what was looked up before.
                List<ShadowBlock> after = [];
                for (int i = 0; i < 200; i++)
                {
                    nuint size = (nuint)(1 + (seed + i) % 97 * 13);
                    void* block = (seed + i) % 2 == 0 ? local.Alloc(size) : Alloc(size);
                    after.Add(Stamp.Write(block, size));
                    Expect.True(Owns(block));
                }

                foreach (ShadowBlock block in after)
                {
                    Stamp.Check(block, $"(seed {seed})");
                    if (seed % 2 == 0)
                        local.Free((void*)block.Address);
                    else
                        Free((void*)block.Address);
                }

                Crew.Meet(turn);
                Crew.Meet(turn);
            }

            private static List<ShadowBlock> Fill(int seed)
            {
                Random random = new Random(seed);
                return Enumerable.Range(0, 400).Select(_ => Stamp.Alloc(Stamp.AnySize(random, 20_000))).ToList();
            }
        }
    }
}
