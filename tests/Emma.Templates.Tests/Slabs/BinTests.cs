using System.Numerics;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The slabs of one class as those see them who take and give single blocks.</summary>
        public sealed class BinTests : HeapTest
        {
            public static TheoryData<int> SomeClasses => new(1, 2, 8, 9, 17, 24, 33, 40, 41, 50, 60, 70, 71, 72);

            private static int BlocksPerSlab(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                return (int)((nuint)SizeClasses.PagesPerSlab(size) * Segment.PageSize / size);
            }

            [Theory]
            [MemberData(nameof(SomeClasses))]
            public void A_full_slab_leaves_the_list_and_comes_back_with_its_first_free_block(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                int capacity = BlocksPerSlab(sizeClass);
                nuint[] blocks = new nuint[capacity + 1];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Uncached.Alloc(size);

                // The first slab is full, so the last block came from another one, and so does the next.
                Slab* first = Slab.Of(blocks[0]);
                Slab* second = Slab.Of(blocks[capacity]);
                Expect.True(first != second);
                Expect.Equal(0, first->FreeCount);
                void* next = Uncached.Alloc(size);
                Expect.True(Slab.Of((nuint)next) == second);

                Uncached.Free((void*)blocks[capacity / 2]);
                Expect.Equal(1, first->FreeCount);
                Expect.Equal(blocks[capacity / 2], (nuint)Uncached.Alloc(size));
                Expect.Equal(0, first->FreeCount);
            }

            [Theory]
            [MemberData(nameof(SomeClasses))]
            public void All_blocks_of_several_slabs_are_distinct_and_all_come_back(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                int count = BlocksPerSlab(sizeClass) * 3 + 1;
                nuint[] blocks = new nuint[count];
                for (int i = 0; i < count; i++)
                    blocks[i] = (nuint)Alloc(size);
                Expect.Equal((nuint)count * size, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp((void*)blocks[0]);

                nuint[] sorted = (nuint[])blocks.Clone();
                Array.Sort(sorted);
                for (int i = 1; i < count; i++)
                    Expect.True(sorted[i] - sorted[i - 1] >= size);

                new Random(sizeClass).Shuffle(blocks);
                foreach (nuint block in blocks)
                    Free((void*)block);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void Pages_of_empty_slabs_serve_any_other_class()
            {
                // Fills a segment with slabs of one class, frees them, and demands that another class, and a run, use the very same pages.
                nuint[] blocks = new nuint[(Segment.PageCount - 1 - 1) * 2048];
                void* pin = Uncached.Alloc(16);
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Uncached.Alloc(32);
                Expect.Equal(1, GetStatistics().Segments);
                foreach (nuint block in blocks)
                    Uncached.Free((void*)block);

                void* run = Alloc(30 * Segment.PageSize);
                for (int i = 0; i < 20 * 512; i++)
                    Expect.Equal((nuint)Segment.Of((nuint)pin), (nuint)Segment.Of((nuint)Uncached.Alloc(128)));
                Expect.Equal((nuint)Segment.Of((nuint)pin), (nuint)Segment.Of((nuint)run));
                Expect.Equal(1, GetStatistics().Segments);
            }

            [Fact]
            public void One_block_allocated_and_freed_in_turn_keeps_its_slab()
            {
                void* block = Uncached.Alloc(64);
                Uncached.Free(block);
                HeapStatistics before = GetStatistics();
                for (int i = 0; i < 1000; i++)
                {
                    void* again = Uncached.Alloc(64);
                    Expect.Equal((nuint)block, (nuint)again);
                    Uncached.Free(again);
                }

                Expect.Equal(before, GetStatistics());
            }

            [Fact]
            public void An_idle_slab_is_marked_in_its_segment_until_somebody_finds_it_in_use()
            {
                void* pin = Uncached.Alloc(5000);
                Segment* segment = Segment.Of((nuint)pin);
                void* block = Uncached.Alloc(100);
                Expect.Equal(0UL, segment->IdlePages);
                Uncached.Free(block);
                Expect.Equal(Slab.PagesOf(Slab.Of((nuint)block)), segment->IdlePages);
                Uncached.Free(pin);
                Expect.True(segment->HoldsNothing);
                Expect.Equal(SizeClasses.PagesPerSlab(5120) + 1, BitOperations.PopCount(segment->IdlePages));

                // Both marks outlast the next allocation; whoever would unmap the segment finds the slabs in use and takes the marks off.
                pin = Uncached.Alloc(5000);
                block = Uncached.Alloc(100);
                Expect.True(segment->HoldsNothing);
                Trim();
                Expect.Equal(0UL, segment->IdlePages);
                Expect.True(Owns(pin) && Owns(block));
                Uncached.Free(block);
                Uncached.Free(pin);
            }

            [Fact]
            public void A_reserve_that_came_into_use_is_no_reserve()
            {
                // One page run for each segment, so that each empties with one free.
                void*[] runs = new void*[Policy.MaxReserves + 1];
                for (int i = 0; i < runs.Length; i++)
                    runs[i] = Alloc(2 << 20);
                Expect.Equal(runs.Length, GetStatistics().Segments);
                for (int i = 1; i < runs.Length; i++)
                {
                    FreeToSegment(runs[i]);
                    Expect.True(Segments->IsReserve(Segment.Of((nuint)runs[i])));
                }

                // The fullest segment that fits serves it: none that is empty, unless the full one's rest is used up.
                void* rest = Alloc(Segment.Size - Segment.PageSize - (2 << 20));
                Expect.Equal((nuint)Segment.Of((nuint)runs[0]), (nuint)Segment.Of((nuint)rest));
                void* small = Uncached.Alloc(64);
                Expect.NotEqual((nuint)Segment.Of((nuint)runs[0]), (nuint)Segment.Of((nuint)small));
                FreeToSegment(runs[0]);
                FreeToSegment(rest);
                Expect.True(Segments->IsReserve(Segment.Of((nuint)rest)));
                Expect.False(Segments->IsReserve(Segment.Of((nuint)small)));
                Expect.Equal(runs.Length, GetStatistics().Segments);
                Uncached.Free(small);
                Expect.Equal(Policy.MaxReserves, GetStatistics().Segments);
            }

            [Fact]
            public void Of_two_empty_slabs_of_a_class_one_is_given_back()
            {
                void* pin = Uncached.Alloc(1);
                int capacity = BlocksPerSlab(SizeClasses.Of(1024));
                nuint[] blocks = new nuint[capacity * 2];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Uncached.Alloc(1024);
                Segment* segment = Segment.Of(blocks[0]);
                int free = BitOperations.PopCount(segment->FreePages);
                foreach (nuint block in blocks)
                    Uncached.Free((void*)block);
                Expect.Equal(free + 1, BitOperations.PopCount(segment->FreePages));
                Expect.Equal(1, BitOperations.PopCount(segment->IdlePages));
                Uncached.Free(pin);
            }

            [Fact]
            public void Blocks_of_one_class_go_to_the_lowest_address_first()
            {
                void*[] blocks = new void*[100];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = Uncached.Alloc(48);
                Uncached.Free(blocks[70]);
                Uncached.Free(blocks[30]);
                Uncached.Free(blocks[50]);
                Expect.Equal((nuint)blocks[30], (nuint)Uncached.Alloc(48));
                Expect.Equal((nuint)blocks[50], (nuint)Uncached.Alloc(48));
                Expect.Equal((nuint)blocks[70], (nuint)Uncached.Alloc(48));
            }

            [Fact]
            public void Two_threads_that_free_one_blocks_neighbours_lose_none()
            {
                const int rounds = 300;
                for (int round = 0; round < rounds; round++)
                {
                    nuint[] blocks = new nuint[256];
                    for (int i = 0; i < blocks.Length; i++)
                        blocks[i] = (nuint)Uncached.Alloc(512);
                    Parallel.For(0, 2, half =>
                    {
                        for (int i = half; i < blocks.Length; i += 2)
                            Uncached.Free((void*)blocks[i]);
                    });
                    Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                }

                AssertStatisticsAddUp();
            }
        }
    }
}
