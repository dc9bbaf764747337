using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What a thread leaves when it ends, and whose it is then.</summary>
        public sealed class DeadThreadTests : FewCachesTest
        {
            // Caches keep what they have.
            public DeadThreadTests() => Segments->LeastUseBytes = int.MaxValue;

            [Fact]
            public void What_the_dead_kept_is_used_before_a_segment_is_mapped()
            {
                Crew.RunOne(FillCache);
                UseWhatTheDeadKept();
            }

            [Fact]
            public void What_the_dead_kept_is_used_before_a_segment_is_mapped_for_page_runs()
            {
                // Dead threads hold a slab of one page each, and the rest of the segment is taken.
                const int threads = 8;
                const nuint size = 8192;
                List<nuint> runs = [];
                for (int i = 1; i < Segment.PageCount - threads; i++)
                    runs.Add((nuint)Alloc(Segment.PageSize));
                using var together = new Barrier(threads);
                Crew.Run(threads, _ =>
                {
                    nuint[] blocks = Enumerable.Range(0, (int)(Segment.PageSize / size)).Select(_ => (nuint)Alloc(size)).ToArray();
                    Crew.Meet(together);
                    Array.ForEach(blocks, block => Free((void*)block));
                    Crew.Meet(together);
                });
                Expect.Equal(1, GetStatistics().Segments);
                Expect.Equal((nuint)0, (nuint)GetStatistics().FreeBytes);
                // The bin keeps one of the slabs.
                for (int i = 1; i < threads; i++)
                {
                    runs.Add((nuint)Alloc(Segment.PageSize));
                    Expect.True(GetStatistics().Segments == 1, $"run {i} needed another segment");
                }

                runs.ForEach(run => Free((void*)run));
            }

            /// <summary>Wherever it stands among caches that nobody has any more.</summary>
            [Theory]
            [InlineData(0)]
            [InlineData(3)]
            [InlineData(4)]
            [InlineData(20)]
            [InlineData(39)]
            public void What_the_dead_kept_is_used_before_a_segment_is_mapped_also_where_there_once_were_many_threads(int position)
            {
                using var together = new Barrier(39);
                Crew.Run(39, _ =>
                {
                    Free(Alloc(100));
                    Crew.Meet(together);
                });
                Trim();
                List<nuint> unowned = CacheInternals.All();
                CacheInternals.SetList([]);
                Crew.RunOne(FillCache);
                unowned.InsertRange(unowned.Count - position, CacheInternals.All());
                CacheInternals.SetList(unowned);
                UseWhatTheDeadKept();
            }

            [Fact]
            public void The_next_thread_takes_over_a_dead_ones_cache_with_its_blocks()
            {
                List<nuint> freed = [];
                nuint left = 0;
                Crew.RunOne(() =>
                {
                    nuint[] blocks = Enumerable.Range(0, 50).Select(_ => (nuint)Alloc(64)).ToArray();
                    foreach (nuint block in blocks)
                        Free((void*)block);
                    freed.AddRange(blocks);
                    left = (nuint)CacheInternals.Own;
                });
                int caches = CacheInternals.Count;
                Crew.RunOne(() =>
                {
                    for (int i = freed.Count - 1; i >= 0; i--)
                        Expect.Equal(freed[i], (nuint)Alloc(64));
                    Expect.Equal(left, (nuint)CacheInternals.Own);
                });
                Expect.Equal(caches, CacheInternals.Count);
            }

            [NotOnWindows("a thread's control block is glibc's.")]
            [Fact]
            public void A_thread_whose_control_block_a_predecessor_had_begins_without_a_cache()
            {
                HashSet<nuint> pointers = [];
                HashSet<nuint> live = [];
                List<ShadowBlock> blocks = [];
                int again = 0;
                for (int i = 0; i < 500; i++)
                {
                    Crew.RunOne(() =>
                    {
                        again += pointers.Add(PosixThreads.Self()) ? 0 : 1;
                        Expect.True(SmallBlocks.CurrentCache == null, $"thread {i} has its predecessor's cache");
                        for (int j = 0; j < 20; j++)
                        {
                            ShadowBlock block = Stamp.Alloc((nuint)(16 + j * 48));
                            Expect.True(live.Add(block.Address), $"thread {i}: {block} is live already");
                            blocks.Add(block);
                        }

                        for (int j = 0; j < 15; j++)
                            FreeAny(i * 31 + j * 17);
                    });
                }

                Expect.True(again > 100, $"only {again} of 500 threads had a control block again");
                while (blocks.Count > 0)
                    FreeAny(0);

                void FreeAny(int index)
                {
                    ShadowBlock block = blocks[index % blocks.Count];
                    blocks.RemoveAt(index % blocks.Count);
                    live.Remove(block.Address);
                    Stamp.CheckAndFree(block);
                }
            }

            [Fact]
            public void A_cache_in_the_name_of_a_thread_that_has_none_is_its_predecessors_and_becomes_its_own()
            {
                nuint left = CacheOfDeadThread(64, 30, out List<nuint> freed, out _);
                int caches = CacheInternals.Count;
                Crew.RunOne(() =>
                {
                    SetOwner((ThreadCache*)left, CurrentThread.Id);
                    for (int i = freed.Count - 1; i >= 0; i--)
                        Expect.Equal(freed[i], (nuint)Alloc(64));
                    Expect.Equal(left, (nuint)CacheInternals.Own);
                });
                Expect.Equal(caches, CacheInternals.Count);
            }

            [Fact]
            public void A_cache_in_the_name_of_a_living_thread_is_left_alone_until_that_thread_wants_it()
            {
                nuint left = CacheOfDeadThread(64, 30, out List<nuint> freed, out _);
                nuint cached = CacheInternals.BytesIn((ThreadCache*)left);
                using var named = new Barrier(2);
                Crew.Run(2, number =>
                {
                    if (number == 0)
                    {
                        SetOwner((ThreadCache*)left, CurrentThread.Id);
                        Crew.Meet(named);
                        Crew.Meet(named);
                        Expect.Contains((nuint)Alloc(64), freed);
                        Expect.Equal(left, (nuint)CacheInternals.Own);
                        Crew.Meet(named);
                        return;
                    }

                    Crew.Meet(named);
                    Alloc(64);
                    Trim();
                    Expect.NotEqual(left, (nuint)CacheInternals.Own);
                    Expect.Equal(cached, CacheInternals.BytesIn((ThreadCache*)left));
                    Crew.Meet(named);
                    // If this thread ended before, its own cache would do for the other as well.
                    Crew.Meet(named);
                });
            }

            [Theory]
            [InlineData(false)]
            [InlineData(true)]
            public void The_blocks_of_a_thread_that_died_while_it_changed_its_cache_are_never_handed_out(bool takenOver)
            {
                const nuint size = 96;
                nuint left = CacheOfDeadThread(size, 60, out List<nuint> lost, out List<ShadowBlock> live);
                CacheInternals.ChangingOf(left) = 1;
                nuint bytesLost = CacheInternals.BytesIn((ThreadCache*)left);
                Expect.True(bytesLost >= 60 * size);
                if (takenOver)
                {
                    Crew.RunOne(() =>
                    {
                        Expect.DoesNotContain((nuint)Alloc(size), lost);
                        Expect.Equal(left, (nuint)CacheInternals.Own);
                        Expect.Equal(0, CacheInternals.ChangingOf(left));
                    });
                }
                else
                {
                    Trim();
                    Expect.Equal(0, CacheOwner.IdIn(((ThreadCache*)left)->Owner.Word));
                    Expect.Equal((nuint)0, CacheInternals.BytesIn((ThreadCache*)left));
                }

                HashSet<nuint> seen = [.. lost, .. live.Select(block => block.Address)];
                List<ShadowBlock> blocks = [];
                Crew.Run(2, _ =>
                {
                    for (int i = 0; i < 3000; i++)
                    {
                        ShadowBlock block = Stamp.Alloc(size);
                        lock (seen)
                        {
                            Expect.True(seen.Add(block.Address), $"{block} is another's, or lost");
                            blocks.Add(block);
                        }
                    }
                });
                live.ForEach(block => Stamp.CheckAndFree(block));
                blocks.ForEach(block => Stamp.CheckAndFree(block));
                Trim();
                // Lost is what the dead one kept, and nothing else; and the block of the thread that took its cache over.
                Expect.Equal(bytesLost + (takenOver ? size : 0), (nuint)GetStatistics().InUseBytes);
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void Threads_that_look_for_the_dead_all_at_once_share_what_these_left_without_overlap()
            {
                for (int round = 0; round < 30; round++)
                {
                    using var full = new Barrier(8);
                    Crew.Run(8, _ =>
                    {
                        Stamp.CheckAndFree(Stamp.Alloc(5000));
                        FillCache();
                        Crew.Meet(full);
                    });
                    Crew.Run(8, seed =>
                    {
                        Random random = new Random(seed + round * 8);
                        List<ShadowBlock> blocks = [];
                        for (int i = 0; i < 100; i++)
                        {
                            blocks.Add(Stamp.Alloc(Stamp.AnySize(random, 3_000)));
                            if (i % 30 == seed)
                                Trim();
                        }

                        blocks.ForEach(block => Stamp.CheckAndFree(block, $"(round {round}, thread {seed})"));
                    });
                }

                Trim();
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes + (nuint)GetStatistics().CachedBytes);
            }

            [Fact]
            public void Who_found_an_owner_dead_does_not_get_a_cache_that_has_changed_hands_since_even_to_a_thread_with_the_same_id()
            {
                CacheOwner owner = default;
                Expect.True(owner.TryChange(0, 4711));
                long found = owner.Word;
                // The id is given out anew, and its new holder takes its namesake's cache over.
                Expect.True(owner.TryChange(found, 4711));
                Expect.False(owner.TryChange(found, 12));
                Expect.Equal(4711, CacheOwner.IdIn(owner.Word));
                owner.Leave();
                Expect.Equal(0, CacheOwner.IdIn(owner.Word));
                Expect.NotEqual(0, owner.Word);
            }

            private static void SetOwner(ThreadCache* cache, int id) => Expect.True(cache->Owner.TryChange(cache->Owner.Word, id));

            private static void UseWhatTheDeadKept()
            {
                nuint left = (nuint)GetStatistics().CachedBytes;
                Expect.True(left > Segment.Size, $"a cache of {left} bytes");
                long segments = GetStatistics().Segments;
                List<ShadowBlock> blocks = [];
                for (int sizeClass = SizeClasses.CachedCount; sizeClass >= 1; sizeClass--)
                {
                    for (int i = 0; i < 2 * SmallBlocks.DepotOf(sizeClass)->Capacity; i++)
                        blocks.Add(Stamp.Alloc(SizeClasses.SizeOf(sizeClass)));
                    Expect.Equal(segments, GetStatistics().Segments);
                }

                blocks.ForEach(block => Stamp.CheckAndFree(block));
            }

            // Has the calling thread keep as much as a thread may.
            private static void FillCache()
            {
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    nuint[] blocks = new nuint[2 * SmallBlocks.DepotOf(sizeClass)->Capacity];
                    for (int i = 0; i < blocks.Length; i++)
                        blocks[i] = (nuint)Alloc(SizeClasses.SizeOf(sizeClass));
                    foreach (nuint block in blocks)
                        Free((void*)block);
                }
            }

            // The cache of a thread that has ended.
            // size: Bytes of the blocks it used.
            // count: How many it freed, and how many it left live.
            // freed: The blocks it freed, the last of which lies on top.
            // live: The blocks it did not free.
            private static nuint CacheOfDeadThread(nuint size, int count, out List<nuint> freed, out List<ShadowBlock> live)
            {
                List<nuint> given = [];
                List<ShadowBlock> kept = [];
                nuint left = 0;
                Crew.RunOne(() =>
                {
                    ShadowBlock[] blocks = Enumerable.Range(0, 2 * count).Select(_ => Stamp.Alloc(size)).ToArray();
                    for (int i = 0; i < blocks.Length; i++)
                    {
                        if (i % 2 == 0)
                        {
                            kept.Add(blocks[i]);
                            continue;
                        }

                        Stamp.CheckAndFree(blocks[i]);
                        given.Add(blocks[i].Address);
                    }

                    left = (nuint)CacheInternals.Own;
                });
                freed = given;
                live = kept;
                return left;
            }
        }
    }
}
