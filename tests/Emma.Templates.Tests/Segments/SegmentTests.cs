using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class SegmentTests : HeapTest
        {
            private const nuint Run32 = 32 * Segment.PageSize;

            // The run freed last holds a segment back, too.
            private const int ReservesAndFreedLast = Policy.MaxReserves + (Policy.MayKeepRuns ? 1 : 0);

            [Fact]
            public void Empty_segments_are_unmapped_but_for_the_reserves()
            {
                nuint[] blocks = new nuint[12];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Alloc(Run32);
                Expect.Equal(12, GetStatistics().Segments);
                foreach (nuint block in blocks)
                    Free((void*)block);
                Expect.Equal(ReservesAndFreedLast, GetStatistics().Segments);
                nuint mapped = 0;
                foreach (nuint block in blocks)
                    mapped += ProcessMaps.IsMapped(block) ? Segment.Size : 0;
                Expect.Equal((nuint)ReservesAndFreedLast * Segment.Size, mapped);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void Segments_emptied_of_slabs_are_unmapped_but_for_the_reserves()
            {
                nuint[] blocks = new nuint[8 * 4096];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Uncached.Alloc(1000);
                Expect.True(GetStatistics().Segments >= 8);
                new Random(1).Shuffle(blocks);
                foreach (nuint block in blocks)
                    Uncached.Free((void*)block);
                Expect.Equal(Policy.MaxReserves, GetStatistics().Segments);
            }

            [Fact]
            public void Segments_that_hold_idle_slabs_of_many_classes_are_unmapped_but_for_the_reserves()
            {
                // Each class's last block lies in a segment of its own, kept apart by runs.
                List<nuint> small = [];
                List<nuint> runs = [];
                for (int sizeClass = 1; sizeClass <= 40; sizeClass += 4)
                {
                    small.Add((nuint)Uncached.Alloc(SizeClasses.SizeOf(sizeClass)));
                    runs.Add((nuint)Alloc(Run32));
                    runs.Add((nuint)Alloc(Run32 - 3 * Segment.PageSize));
                }

                Expect.True(GetStatistics().Segments >= 10);
                runs.ForEach(run => Free((void*)run));
                small.ForEach(block => Uncached.Free((void*)block));
                Expect.Equal(ReservesAndFreedLast, GetStatistics().Segments);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void The_reserve_serves_the_next_allocation_without_a_new_mapping()
            {
                void* first = Alloc(Run32);
                Free(first);
                nuint mapped = (nuint)GetStatistics().MappedBytes;
                for (int i = 0; i < 100; i++)
                {
                    void* block = Alloc(Run32);
                    Expect.Equal((nuint)Segment.Of((nuint)first), (nuint)Segment.Of((nuint)block));
                    Free(block);
                }

                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
            }

            [Fact]
            public void Runs_of_one_page_fill_a_segment_to_the_last_page()
            {
                nuint[] pages = new nuint[Segment.PageCount - 1];
                for (int i = 0; i < pages.Length; i++)
                    pages[i] = (nuint)Alloc(40_000);
                Expect.Equal(1, GetStatistics().Segments);
                Expect.Equal((nuint)0, (nuint)GetStatistics().FreeBytes);
                void* next = Alloc(40_000);
                Expect.Equal(2, GetStatistics().Segments);
                AssertStatisticsAddUp(next);
            }

            [Fact]
            public void A_run_touches_only_the_pages_that_are_written()
            {
                void* pin = Alloc(1);
                long before = ProcessMaps.MinorFaults();
                void*[] runs = new void*[300];
                for (int i = 0; i < runs.Length; i++)
                    runs[i] = Alloc(1 << 20);
                long faults = ProcessMaps.MinorFaults() - before;
                Expect.True(faults < 1500, $"{faults} faults for 300 untouched runs in {GetStatistics().Segments} segments");
                Expect.True(pin != null);
            }

            [Fact]
            public void Aligned_runs_begin_at_every_alignment_up_to_half_a_segment()
            {
                for (nuint alignment = Segment.PageSize; alignment <= LargeBlocks.MaxRunAlignment; alignment *= 2)
                {
                    for (nuint size = 1; size <= LargeBlocks.Threshold; size = size * 3 + 1)
                    {
                        void* block = AlignedAlloc(size, alignment);
                        Expect.True((nuint)block % alignment == 0, $"size {size}, alignment {alignment}");
                        Expect.Equal(PageMap.RunOf(Segment.PagesFor(size)), PageMap.ClassOf((nuint)block));
                        AlignedFree(block);
                    }
                }
            }
        }
    }
}
