namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public sealed class StatisticsTests : HeapTest
    {
        [Fact]
        public void An_empty_heap_has_mapped_its_code_page_alone()
        {
            Expect.Equal(KernelAccess.Trampolines, Kernel);
            HeapStatistics s = GetStatistics();
            Expect.Equal(BytesOfEmptyHeap, s.MappedBytes);
            Expect.Equal(BytesOfEmptyHeap, s.HeaderBytes);
            Expect.Equal(0, s.Segments);
            Expect.Equal(0, s.LargeBlocks);
            Expect.Equal(0, s.ThreadCaches);
        }

        [Fact]
        public void One_small_block_costs_a_segment_and_a_window()
        {
            void* block = Alloc(64);
            HeapStatistics s = GetStatistics();
            Expect.Equal((nuint)64, s.InUseBytes);
            Expect.Equal(1, s.Segments);
            nuint metadata = Window.MetadataBytes(Window.DefaultSize);
            Expect.Equal(BytesOfEmptyHeap + metadata + Segment.Size, s.MappedBytes);
            Expect.Equal(BytesOfEmptyHeap + metadata + Segment.PageSize, s.HeaderBytes);
            AssertStatisticsAddUp(block);
        }

        [Fact]
        public void Each_kind_of_block_counts_at_its_real_size()
        {
            nuint expected = 0;
            List<nuint> blocks = [];
            foreach (nuint size in new nuint[] { 0, 1, 100, 5000, 32_768, 32_769, 1_000_000, 2 << 20, 3_000_000, 20_000_000 })
            {
                void* block = Alloc(size);
                expected += UsableSize(block);
                blocks.Add((nuint)block);
                Expect.Equal(expected, GetStatistics().InUseBytes);
                AssertStatisticsAddUp(block);
            }

            Expect.Equal(2, GetStatistics().LargeBlocks);
            foreach (nuint block in blocks)
            {
                expected -= UsableSize((void*)block);
                Free((void*)block);
                Expect.Equal(expected, GetStatistics().InUseBytes);
                AssertStatisticsAddUp();
            }
        }

        [Fact]
        public void A_failed_allocation_changes_no_statistic()
        {
            void* block = Alloc(1);
            HeapStatistics before = GetStatistics();
            Expect.Throws<OutOfMemoryException>(() => Alloc(nuint.MaxValue));
            Expect.Throws<OutOfMemoryException>(() => AlignedAlloc(1, unchecked((nuint)(1UL << 63))));
            Expect.True(TryAlloc(unchecked((nuint)(1UL << 47))) == null);
            Expect.Equal(before, GetStatistics());
            Free(block);
        }

        [Fact]
        public void Statistics_may_be_asked_for_by_any_thread_meanwhile()
        {
            using var stop = new CancellationTokenSource();
            Thread reader = new Thread(() =>
            {
                while (!stop.IsCancellationRequested)
                    GetStatistics();
            });
            reader.Start();
            ShadowModel model = new ShadowModel(55, 16 << 20);
            model.Run(2000);
            model.FreeAll();
            stop.Cancel();
            reader.Join();
            AssertStatisticsAddUp();
        }
    }
}
