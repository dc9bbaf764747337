using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Page runs of up to 256 KiB, which threads keep when they free them.</summary>
        public sealed class KeptRunTests : HeapTest
        {
            private const nuint Page = Segment.PageSize;

            public static TheoryData<int> Lengths => new(Enumerable.Range(1, SizeClasses.MaxCachedPages));

            [Theory]
            [MemberData(nameof(Lengths))]
            public void A_freed_run_is_the_next_of_its_length(int pages) => Crew.RunOne(() =>
            {
                void* other = Alloc((nuint)pages * Page);
                void* block = Alloc((nuint)pages * Page);
                Free(block);
                Expect.Equal((nuint)pages * Page, (nuint)GetStatistics().CachedBytes);
                Expect.Equal((nuint)pages * Page, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp();
                Expect.Equal((nuint)block, (nuint)Alloc(Math.Max((nuint)(pages - 1) * Page, SizeClasses.MaxSize) + 1));
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                Free(block);
                Free(other);
                Trim();
                Expect.Equal(0, GetStatistics().Segments);
                AssertStatisticsAddUp();
            });

            [Theory]
            [MemberData(nameof(Lengths))]
            public void A_kept_run_serves_every_alignment_up_to_its_pages_and_none_above(int pages) => Crew.RunOne(() =>
            {
                nuint size = (nuint)pages * Page;
                for (nuint alignment = 1; alignment <= Page; alignment *= 2)
                {
                    void* block = AlignedAlloc(size, alignment);
                    Free(block);
                    Expect.Equal((nuint)block, (nuint)AlignedAlloc(size - alignment / 2, alignment));
                    Free(block);
                }

                for (nuint alignment = 2 * Page; alignment <= 16 * Page; alignment *= 2)
                {
                    void* block = AlignedAlloc(size, alignment);
                    Expect.Equal((nuint)0, (nuint)block % alignment);
                    Free(block);
                }

                for (nuint alignment = (nuint)1 << 61; alignment != 0; alignment <<= 1)
                    Expect.True(TryAlignedAlloc(size, alignment) == null);
            });

            [Theory]
            [MemberData(nameof(Lengths))]
            public void A_kept_run_is_cleared_where_zeros_are_asked_for_and_a_fresh_one_is_zero(int pages) => Crew.RunOne(() =>
            {
                nuint size = (nuint)pages * Page;
                for (int i = 0; i < 3; i++)
                {
                    byte* block = (byte*)AllocZeroed(size);
                    Expect.Equal(-1, new Span<byte>(block, (int)size).IndexOfAnyExcept((byte)0));
                    Fill(block, size, 0xA5);
                    Free(block);
                }
            });

            [Fact]
            public void A_run_that_is_resized_is_kept_with_those_of_its_new_length() => Crew.RunOne(() =>
            {
                foreach (int from in Enumerable.Range(1, 6))
                {
                    foreach (int to in Enumerable.Range(1, 6))
                    {
                        void* block = Alloc((nuint)from * Page);
                        ShadowBlock stamped = Stamp.Write(block, (nuint)Math.Min(from, to) * Page);
                        void* resized = Realloc(block, (nuint)to * Page);
                        Stamp.Check(stamped with { Address = (nuint)resized });
                        Expect.Equal((nuint)to * Page, UsableSize(resized));
                        Expect.Equal(PageMap.RunOf(to), PageMap.ClassOf((nuint)resized));
                        Free(resized);
                        if (to <= SizeClasses.MaxCachedPages)
                        {
                            Expect.Equal((nuint)resized, (nuint)Alloc((nuint)to * Page));
                            Free(resized);
                        }

                        AssertStatisticsAddUp();
                        Trim();
                        Expect.Equal(0, GetStatistics().Segments);
                    }
                }
            });

            [Fact]
            public void A_kept_run_serves_alignments_of_up_to_a_page_and_no_greater_ones() => Crew.RunOne(() =>
            {
                void* first = Alloc(2 * Page);
                void* block = (void*)((nuint)first % (4 * Page) == 0 ? (nuint)Alloc(2 * Page) : (nuint)first);
                Free(block);
                void* aligned = AlignedAlloc(2 * Page, 4 * Page);
                Expect.True((nuint)aligned % (4 * Page) == 0 && aligned != block);
                Expect.Equal((nuint)block, (nuint)AlignedAlloc(2 * Page, Page));
            });

            [Fact]
            public void Runs_freed_by_another_thread_join_its_cache_and_come_back_by_the_depot()
            {
                // More than two magazines, so that one goes to the depot.
                ShadowBlock[] blocks = Enumerable.Range(0, 6).Select(_ => Stamp.Alloc(2 * Page)).ToArray();
                Crew.RunOne(() =>
                {
                    foreach (ShadowBlock block in blocks)
                        Stamp.CheckAndFree(block);
                });
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)blocks.Length * 2 * Page, (nuint)s.CachedBytes);
                Expect.Equal((nuint)0, (nuint)s.InUseBytes);
                Expect.Contains((nuint)Alloc(2 * Page), blocks.Select(block => block.Address));
                Trim();
                // The one in use.
                Expect.Equal(2 * Page, (nuint)GetStatistics().InUseBytes + (nuint)GetStatistics().CachedBytes);
            }

            [Fact]
            public void Random_runs_of_many_threads_keep_their_contents() => Crew.Run(4, seed =>
            {
                Random random = new(seed);
                List<ShadowBlock> live = [];
                for (int i = 0; i < 4000; i++)
                {
                    if (live.Count < 12 && random.Next(2) == 0)
                    {
                        live.Add(Stamp.Alloc((nuint)random.Next(1, 6 * (int)Page)));
                    }
                    else if (live.Count != 0)
                    {
                        int index = random.Next(live.Count);
                        ShadowBlock block = live[index];
                        Stamp.Check(block);
                        live.RemoveAt(index);
                        if (random.Next(3) == 0)
                            live.Add(Stamp.Write(Realloc((void*)block.Address, block.Size + Page), block.Size + Page));
                        else
                            Free((void*)block.Address);
                    }

                    if (i % 512 == 0)
                        Trim();
                }

                live.ForEach(block => Stamp.CheckAndFree(block));
            });

            [Fact]
            public void Without_memory_for_a_magazine_a_run_goes_back_to_its_segment() => Crew.RunOne(() =>
            {
                void* pin = Alloc(Page);
                void* block = Alloc(3 * Page);
                CacheInternals.ExhaustMagazines();
                Free(block);
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                Expect.Equal(Page, (nuint)GetStatistics().InUseBytes);
                Expect.False(Owns(block));
                Expect.True(pin != null);
            });
        }
    }
}
