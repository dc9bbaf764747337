using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Caches and depots shrink while the program works: frees that leave the fast path see to it.</summary>
        public sealed class CacheSurplusTests : FewCachesTest
        {
            private const int Kilobyte = 1 << 10;

            // What comes in between two looks of a thread, and what is not told the depots yet.
            private const long Slack = 2L << 20;

            private static readonly int s_seed = int.TryParse(Environment.GetEnvironmentVariable("EMMA_SEED"), out int seed) ? seed
                : Random.Shared.Next(1 << 20);

            public static TheoryData<int> Seeds => new(Enumerable.Range(s_seed, Length.Of(2, 20)));

            [Fact]
            public void When_all_is_freed_the_depots_and_the_cache_keep_little()
            {
                Random random = new Random(s_seed);
                List<nuint> live = Fill(96 << 20, random);
                FreeAll(live, random);
                (_, long inDepots) = CacheInternals.DepotBytes;
                long inCache = (long)CacheInternals.BytesIn(CacheInternals.Own);
                Expect.True(inDepots <= SegmentManager.LeastUse / 2 + Slack, $"seed {s_seed}: depots keep {inDepots} bytes");
                Expect.True(inCache <= SmallBlocks.LeastCacheBytes + Slack, $"seed {s_seed}: the cache keeps {inCache} bytes");
                AssertStatisticsAddUp();
            }

            [Fact]
            public void While_little_is_in_use_all_that_is_freed_may_stay()
            {
                // As much as one depot and one cache have room for.
                const int blocks = 1000;
                nuint[] all = new nuint[blocks];
                for (int round = 0; round < 3; round++)
                {
                    for (int i = 0; i < blocks; i++)
                        all[i] = (nuint)Alloc(512);
                    for (int i = 0; i < blocks; i++)
                        Free((void*)all[i]);
                }

                long kept = GetStatistics().CachedBytes;
                Expect.True(kept >= blocks * 512, $"{kept} bytes are cached");
            }

            [Fact]
            public void The_caches_of_threads_that_live_keep_little_together_although_the_threads_are_idle()
            {
                const int threads = 12;
                using Barrier together = new Barrier(threads);
                long kept = 0;
                Crew.Run(threads, number =>
                {
                    Random random = new Random(s_seed + number);
                    // So that there are as many caches when the first fills its own.
                    Free(Alloc(1));
                    Crew.Meet(together);
                    for (int round = 0; round < 5; round++)
                        FreeAll(Fill(16 << 20, random), random);
                    Crew.Meet(together);
                    if (number == 0)
                        kept = CacheInternals.All().Sum(cache => (long)CacheInternals.BytesIn((ThreadCache*)cache));
                    Crew.Meet(together);
                });
                // A block of each class does not count.
                long uncounted = Enumerable.Range(1, SizeClasses.CachedCount).Sum(sizeClass => (long)SizeClasses.SizeOf(sizeClass));
                long most = threads * (SmallBlocks.LeastShare + uncounted + (Slack / 2));
                Expect.True(kept <= most, $"seed {s_seed}: {kept} bytes in {threads} caches, not {most}");
                AssertStatisticsAddUp();
            }

            [Fact]
            public void What_many_dead_threads_have_left_is_given_back_by_the_frees_of_one_that_lives()
            {
                const int threads = 40;
                // So that the caches keep what they have until the threads are dead.
                Segments->LeastUseBytes = int.MaxValue;
                void* pin = Alloc(1);
                using (Barrier together = new Barrier(threads))
                {
                    Crew.Run(threads, number =>
                    {
                        Random random = new Random(s_seed + number);
                        List<nuint> live = Fill(2 << 20, random);
                        Crew.Meet(together);
                        FreeAll(live, random);
                    });
                }

                Expect.Equal(threads + 1, GetStatistics().ThreadCaches);
                long left = GetStatistics().CachedBytes;
                Segments->LeastUseBytes = 0;
                CacheInternals.EndTurn();
                for (int i = 0; i < 40 && GetStatistics().ThreadCaches > 1; i++)
                    UseRuns(20);
                Expect.Equal(1, GetStatistics().ThreadCaches);
                long kept = GetStatistics().CachedBytes;
                Expect.True(kept < left / 4, $"seed {s_seed}: {kept} of {left} bytes are cached");
                Free(pin);
            }

            [Fact]
            public void One_free_asks_for_a_few_owners_and_empties_one_cache_at_most()
            {
                const int threads = 20;
                Segments->LeastUseBytes = int.MaxValue;
                void* pin = Alloc(1);
                using (Barrier together = new Barrier(threads))
                {
                    Crew.Run(threads, _ =>
                    {
                        Free(Alloc(100));
                        Crew.Meet(together);
                    });
                }

                Segments->LeastUseBytes = 0;
                CacheInternals.EndTurn();
                nuint[] runs = new nuint[20];
                for (int i = 0; i < runs.Length; i++)
                    runs[i] = (nuint)Alloc(200 * Kilobyte);
                long before = GetStatistics().ThreadCaches;
                foreach (nuint run in runs)
                {
                    Free((void*)run);
                    long after = GetStatistics().ThreadCaches;
                    Expect.InRange(after, before - 1, before);
                    before = after;
                }

                Free(pin);
            }

            [Fact]
            public void Where_slabs_are_sparse_traffic_gathers_the_blocks_in_few_of_them()
            {
                const int size = 1000;
                Random random = new Random(s_seed);
                List<nuint> live = [];
                for (int i = 0; i < (40 << 20) / size; i++)
                    live.Add((nuint)Alloc(size));
                Shrink(live, random, left: live.Count / 10);
                long before = SlabBytes(size);
                for (int turn = 0; turn < 20; turn++)
                {
                    CacheInternals.EndTurn();
                    // Enough at once that they do not come and go by the cache alone.
                    int count = live.Count;
                    Shrink(live, random, left: count / 2);
                    while (live.Count < count)
                        live.Add((nuint)Alloc(size));
                }

                long after = SlabBytes(size);
                Expect.True(after < before / 2, $"seed {s_seed}: {before} bytes of slabs became {after}");
                FreeAll(live, random);
            }

            [Fact]
            public void Where_slabs_are_sparse_blocks_that_give_way_one_by_one_are_gathered_too()
            {
                Random random = new Random(s_seed);
                List<nuint> live = FillSparsely(random);
                long before = SlabBytes();
                CacheInternals.EndTurn();
                for (int round = 0; round < 100; round++)
                {
                    CacheInternals.EndGathering();
                    ReplaceSome(live, random, live.Count / 10);
                }

                long after = SlabBytes();
                Expect.True(after < before / 2, $"seed {s_seed}: {before} bytes of slabs became {after}");
                FreeAll(live, random);
            }

            [Fact]
            public void Slabs_that_stay_sparse_are_gathered_more_and_more_seldom_until_they_are_not()
            {
                Random random = new Random(s_seed);
                List<nuint> live = FillSparsely(random);
                // What is left keeps the slabs, and gives way to nothing.
                Trim();
                int[] pauses = new int[8];
                for (int turn = 0; turn < pauses.Length; turn++)
                {
                    CacheInternals.EndTurn();
                    UseRuns(20);
                    pauses[turn] = CacheInternals.GatheringPause;
                }

                Expect.Equal([8, 16, 32, 64, 128, 256, 500, 500], pauses);
                AddMany(live, random);
                CacheInternals.EndTurn();
                UseRuns(20);
                Expect.Equal(0, CacheInternals.GatheringPause);
                FreeAll(live, random);
            }

            [Theory]
            [MemberData(nameof(Seeds))]
            public void What_the_depots_keep_is_counted_and_no_byte_changes_however_little_may_be_kept(int seed)
            {
                Segments->LeastUseBytes = 0;
                Segments->LeastKeptPages = seed % 3;
                ShadowModel model = new ShadowModel(seed, 24 << 20);
                for (int round = 0; round < 6; round++)
                {
                    CacheInternals.EndTurn();
                    model.Run(400);
                    AssertStatisticsAddUp(model.AnyBlock);
                    Expect.Equal(model.UsableBytes, (nuint)GetStatistics().InUseBytes);
                    Expect.Equal(CacheInternals.DepotBytes.Kept, CacheInternals.DepotBytes.Counted);
                }

                model.CheckAll();
                model.FreeAll();
                Trim();
                Expect.Equal(0, GetStatistics().Segments);
                Expect.Equal((0L, 0L), CacheInternals.DepotBytes);
            }

            [Theory]
            [MemberData(nameof(Seeds))]
            public void Threads_that_free_each_others_blocks_and_die_keep_every_byte_however_little_may_be_kept(int seed)
            {
                Segments->LeastUseBytes = 0;
                Segments->LeastKeptPages = seed % 3;
                for (int round = 0; round < 3; round++)
                {
                    CacheInternals.EndTurn();
                    ShadowModelTests.RunThreads(seed + round, threads: 3, steps: 1000);
                    (long counted, long kept) = CacheInternals.DepotBytes;
                    Expect.Equal(kept, counted);
                }
            }

            // A block of one of 16 classes that a magazine holds few blocks of.
            private static nuint AnyOfMany(Random random) => (nuint)Alloc((nuint)random.Next(4 * Kilobyte, 16 * Kilobyte));

            private static void AddMany(List<nuint> live, Random random)
            {
                for (int i = 0; i < 12_000; i++)
                    live.Add(AnyOfMany(random));
            }

            // Slabs of which a tenth is live.
            private static List<nuint> FillSparsely(Random random)
            {
                List<nuint> live = [];
                AddMany(live, random);
                Shrink(live, random, left: live.Count / 10);
                return live;
            }

            private static void ReplaceSome(List<nuint> live, Random random, int count)
            {
                for (; count > 0; count--)
                {
                    int index = random.Next(live.Count);
                    Free((void*)live[index]);
                    live[index] = AnyOfMany(random);
                }
            }

            // Blocks of all classes, large ones as likely as small ones.
            private static List<nuint> Fill(int bytes, Random random)
            {
                List<nuint> live = [];
                while (bytes > 0)
                {
                    int size = (int)(1000 * Math.Pow(100, random.NextDouble()));
                    live.Add((nuint)Alloc((nuint)size));
                    bytes -= size;
                }

                return live;
            }

            private static void FreeAll(List<nuint> live, Random random) => Shrink(live, random, left: 0);

            private static void Shrink(List<nuint> live, Random random, int left)
            {
                while (live.Count > left)
                {
                    int index = random.Next(live.Count);
                    Free((void*)live[index]);
                    live[index] = live[^1];
                    live.RemoveAt(live.Count - 1);
                }
            }

            // Frees that leave the fast path.
            private static void UseRuns(int count)
            {
                nuint[] runs = new nuint[count];
                for (int i = 0; i < count; i++)
                    runs[i] = (nuint)Alloc(200 * Kilobyte);
                foreach (nuint run in runs)
                    Free((void*)run);
            }

            private static long SlabBytes() =>
                Enumerable.Range(1, SizeClasses.Count).Sum(sizeClass => Bin.Of(sizeClass)->SlabBytes);

            private static long SlabBytes(nuint size) => Bin.Of(SizeClasses.Of(size))->SlabBytes;
        }
    }
}
