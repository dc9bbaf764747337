using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class ThreadCacheTests : HeapTest
        {
            public static TheoryData<int> AllClasses => new(Enumerable.Range(1, SizeClasses.Count));

            [Theory]
            [InlineData(1)]
            [InlineData(20)]
            [InlineData(60)]
            public void A_block_of_another_thread_is_not_the_next_to_be_handed_out(int bytes)
            {
                // Side by side: the two threads would write to one cache line.
                nuint mine = (nuint)Alloc((nuint)bytes);
                nuint passedOn = (nuint)Alloc((nuint)bytes);
                nuint[] others = new nuint[5];
                Crew.Run(1, _ =>
                {
                    Free((void*)passedOn);
                    for (int i = 0; i < others.Length; i++)
                    {
                        others[i] = (nuint)Alloc((nuint)bytes);
                        Free((void*)others[i]);
                    }
                });
                Expect.DoesNotContain(passedOn, others);
                Expect.DoesNotContain(mine / 64, others.Select(block => block / 64));
                Free((void*)mine);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void The_table_of_the_fast_paths_has_the_class_of_every_size_it_covers()
            {
                for (nuint size = 0; size <= SizeClasses.MaxTableSize; size++)
                    Expect.True(SizeClasses.Of(size) == (int)SizeClasses.OfTable(size), $"size {size}: class {SizeClasses.OfTable(size)}");
            }

            [Fact]
            public void Two_full_magazines_of_every_class_come_to_MaxBytes_at_most()
            {
                nuint bytes = 0;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                    bytes += 2 * (nuint)Magazine.CapacityOf(SizeClasses.SizeOf(sizeClass)) * SizeClasses.SizeOf(sizeClass);
                Expect.True(bytes <= ThreadCache.MaxBytes, $"{bytes} bytes");
                Expect.True(bytes * 5 / 4 > ThreadCache.MaxBytes, $"{bytes} bytes are far fewer than the bound says");
            }

            [Fact]
            public void A_thread_that_frees_any_number_of_blocks_of_every_class_hoards_no_more_than_the_bounds_allow() => Crew.RunOne(() =>
            {
                Segments->LeastUseBytes = int.MaxValue;
                nuint allInDepots = 0;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    FreeTogether(size, (int)(3 * Depot.MaxBytes / size));
                    nuint inDepot = CacheInternals.InDepot(size);
                    Expect.True(inDepot <= Depot.MaxBytes, $"size {size}: {inDepot} bytes in the depot");
                    Expect.True(inDepot >= Depot.MaxBytes * 3 / 4, $"size {size}: only {inDepot} bytes in the depot");
                    allInDepots += inDepot;
                }

                nuint own = CacheInternals.BytesIn(CacheInternals.Own);
                Expect.True(own <= ThreadCache.MaxBytes, $"{own} bytes in the cache");
                HeapStatistics s = GetStatistics();
                Expect.Equal(own + allInDepots, (nuint)s.CachedBytes);
                Expect.Equal((nuint)0, (nuint)s.InUseBytes);
                AssertStatisticsAddUp();
            });

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void The_block_freed_last_is_allocated_first(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                nuint[] blocks = Enumerable.Range(0, 500).Select(_ => (nuint)Alloc(size)).ToArray();
                Expect.Equal(blocks.Length, blocks.Distinct().Count());
                foreach (nuint block in blocks)
                    Free((void*)block);
                // As far as two magazines and the depot reach.
                for (int i = blocks.Length - 1; i > blocks.Length - 1 - SmallBlocks.DepotOf(sizeClass)->Capacity; i--)
                    Expect.Equal(blocks[i], (nuint)Alloc(size));
            }

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void Blocks_in_magazines_are_free_in_the_statistics_and_taken_in_the_slabs(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                ShadowBlock[] blocks = Enumerable.Range(0, 300).Select(_ => Stamp.Alloc(size)).ToArray();
                for (int i = 0; i < blocks.Length; i++)
                {
                    if (i % 60 == 0)
                        Expect.Equal((nuint)(blocks.Length - i) * size, (nuint)GetStatistics().InUseBytes);
                    Stamp.CheckAndFree(blocks[i]);
                }

                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)0, (nuint)s.InUseBytes);
                Expect.Equal((nuint)CacheInternals.TakenFromSlabs(size) * size, (nuint)s.CachedBytes);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void The_first_allocations_of_a_class_take_few_blocks_from_its_slabs_and_later_ones_more()
            {
                nuint size = 64;
                List<long> taken = [];
                for (int i = 0; i < 400; i++)
                {
                    Alloc(size);
                    if (taken.Count == 0 || taken[^1] != CacheInternals.TakenFromSlabs(size))
                        taken.Add(CacheInternals.TakenFromSlabs(size));
                }

                Expect.Equal([8, 24, 56, 120, 244, 368, 492], taken);
            }

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void Blocks_allocated_and_freed_in_turn_leave_the_slabs_alone(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                int count = SmallBlocks.DepotOf(sizeClass)->Capacity;
                FreeTogether(size, 2 * count);
                long taken = CacheInternals.TakenFromSlabs(size);
                for (int i = 0; i < 100; i++)
                {
                    FreeTogether(size, 1 + i % count);
                    Expect.Equal(taken, CacheInternals.TakenFromSlabs(size));
                }
            }

            [Fact]
            public void Without_memory_for_magazines_the_slabs_serve_every_thread()
            {
                CacheInternals.ExhaustMagazines();
                Crew.Run(4, seed => RandomWork(seed, 3_000));
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)0, (nuint)s.CachedBytes);
                Expect.Equal((nuint)0, (nuint)s.InUseBytes);
            }

            [Fact]
            public void Threads_that_run_out_of_memory_for_magazines_half_way_lose_no_block()
            {
                using var turn = new Barrier(4, _ => CacheInternals.ExhaustMagazines());
                Crew.Run(4, seed =>
                {
                    RandomWork(seed, 1_000);
                    Crew.Meet(turn);
                    RandomWork(seed + 4, 3_000);
                });
                Trim();
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)0, (nuint)s.CachedBytes + (nuint)s.InUseBytes);
                Expect.Equal(0, s.Segments);
            }

            // Allocates and frees at random, and frees all in the end.
            private static void RandomWork(int seed, int steps)
            {
                Random random = new Random(seed);
                List<ShadowBlock> live = [];
                for (int step = 0; step < steps; step++)
                {
                    if (random.Next(5) < 3)
                    {
                        live.Add(Stamp.Alloc(Stamp.AnySize(random, 8_000)));
                        continue;
                    }

                    for (int i = random.Next(8); i > 0 && live.Count > 0; i--)
                    {
                        int index = random.Next(live.Count);
                        Stamp.CheckAndFree(live[index], $"(seed {seed}, step {step})");
                        live[index] = live[^1];
                        live.RemoveAt(live.Count - 1);
                    }
                }

                live.ForEach(block => Stamp.CheckAndFree(block, $"(seed {seed}, end)"));
            }

            private static void FreeTogether(nuint size, int count)
            {
                nuint[] blocks = new nuint[count];
                for (int i = 0; i < count; i++)
                {
                    blocks[i] = (nuint)Alloc(size);
                    *(nuint*)blocks[i] = blocks[i];
                }

                for (int i = 0; i < count; i++)
                {
                    Expect.Equal(blocks[i], *(nuint*)blocks[i]);
                    Free((void*)blocks[i]);
                }
            }
        }
    }
}
