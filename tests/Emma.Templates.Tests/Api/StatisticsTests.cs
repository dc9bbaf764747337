using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class StatisticsTests : HeapTest
        {
            [Fact]
            public void An_empty_heap_has_mapped_its_code_page_alone()
            {
                Expect.Equal(OperatingSystem.IsLinux() ? KernelAccess.Trampolines : KernelAccess.SystemLibraries, Kernel);
                HeapStatistics s = GetStatistics();
                Expect.Equal(BytesOfEmptyHeap, (nuint)s.MappedBytes);
                Expect.Equal(BytesOfEmptyHeap, (nuint)s.HeaderBytes);
                Expect.Equal(0, s.Segments);
                Expect.Equal(0, s.LargeBlocks);
            }

            [Fact]
            public void A_thread_counts_as_a_cache_from_its_first_block_that_may_be_kept_until_its_end_is_noticed() =>
                ChildProcess.MustSucceed(nameof(Scenarios.CountThreadCaches));

            [Fact]
            public void One_small_block_costs_a_segment_and_a_window_and_the_first_magazines()
            {
                void* block = Alloc(64);
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)64, (nuint)s.InUseBytes);
                Expect.Equal(1, s.Segments);
                nuint metadata = Window.MetadataBytes(Window.DefaultSize);
                nuint header = BytesOfEmptyHeap + metadata + Form.FirstMagazinesBytes + LiveMarks.CountedPerSegment;
                Expect.Equal(header + Segment.Size, (nuint)s.MappedBytes);
                Expect.Equal(header + Segment.PageSize, (nuint)s.HeaderBytes);
                AssertStatisticsAddUp(block);
            }

            [Fact]
            public void Live_blocks_of_every_kind_are_counted_and_those_that_caches_keep_are_not()
            {
                nuint[] sizes = [0, 1, 100, 5000, 32_768, 32_769, 200_000, 1_000_000, 3_000_000, 70_000_000];
                List<nuint> blocks = [];
                for (int round = 0; round < 3; round++)
                {
                    foreach (nuint size in sizes)
                    {
                        blocks.Add((nuint)Alloc(size));
                        Expect.Equal(blocks.Count, GetStatistics().LiveBlocks);
                    }
                }

                foreach (nuint block in blocks.ToArray())
                {
                    Free((void*)block);
                    blocks.Remove(block);
                    Expect.Equal(blocks.Count, GetStatistics().LiveBlocks);
                }

                Trim();
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void The_peak_is_what_was_mapped_at_most_also_after_it_is_gone_and_not_what_was_refused()
            {
                void* small = Alloc(1);
                long before = GetStatistics().PeakMappedBytes;
                void* block = Alloc(300 << 20);
                long mapped = GetStatistics().MappedBytes;
                Expect.True(mapped >= 300 << 20);
                Free(block);
                Free(small);
                Trim();

                Expect.True(TryAlloc((nuint)1 << 46) == null);
                Expect.True(GetStatistics().MappedBytes < mapped);
                Expect.Equal(Math.Max(mapped, before), GetStatistics().PeakMappedBytes);
            }

            [Fact]
            public void At_no_moment_is_more_mapped_than_the_peak()
            {
                bool done = false;
                Thread other = new Thread(() =>
                {
                    // Windows is asked for every 4 MiB.
                    int rounds = OperatingSystem.IsWindows() ? 500 : 20_000;
                    for (int i = 0; i < rounds; i++)
                        Free(Alloc((nuint)(200 + i % 100) << 20));
                    Volatile.Write(ref done, true);
                });
                other.Start();
                long mostAbove = 0;
                while (!Volatile.Read(ref done))
                {
                    HeapStatistics statistics = GetStatistics();
                    mostAbove = Math.Max(mostAbove, statistics.MappedBytes - statistics.PeakMappedBytes);
                }

                other.Join();
                Expect.Equal(0, mostAbove);
            }

            [Fact]
            public void The_figures_print_as_one_line_in_binary_units()
            {
                void* block = Alloc(3 << 20);
                string line = GetStatistics().ToString();

                Expect.StartsWith($"{HeapName}: 3 MiB in 1 blocks, ", line);
                Expect.Contains("no limit", line);
                Expect.DoesNotContain('\n', line);
                Free(block);
            }

            [Fact]
            public void The_figures_can_be_written_as_JSON()
            {
                string json = System.Text.Json.JsonSerializer.Serialize(GetStatistics());
                Expect.Contains("\"InUseBytes\":0", json);
                Expect.Contains("\"MemoryLimit\":0", json);
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
                    Expect.Equal(expected, (nuint)GetStatistics().InUseBytes);
                    AssertStatisticsAddUp(block);
                }

                Expect.Equal(2, GetStatistics().LargeBlocks);
                foreach (nuint block in blocks)
                {
                    expected -= UsableSize((void*)block);
                    Free((void*)block);
                    Expect.Equal(expected, (nuint)GetStatistics().InUseBytes);
                    AssertStatisticsAddUp();
                }
            }

            [Fact]
            public void A_size_that_no_heap_can_have_is_refused_without_giving_anything_back()
            {
                LeaveEverythingCached();
                HeapCount expected = CountIfRunning();
                Expect.Throws<OutOfMemoryException>(() => Alloc(nuint.MaxValue));
                Expect.Throws<OutOfMemoryException>(() => AlignedAlloc(1, unchecked((nuint)(1UL << 63))));
                expected.Failed += 2;
                Expect.Equal(expected, CountIfRunning());
            }

            [Fact]
            public void A_failed_allocation_is_counted_and_gives_back_what_was_kept()
            {
                void* block = LeaveEverythingCached();
                HeapStatistics before = GetStatistics();
                Expect.True((nuint)before.CachedBytes > 0);
                Expect.True(TryAlloc(unchecked((nuint)(1UL << 47))) == null);
                HeapStatistics after = GetStatistics();
                Expect.Equal((nuint)before.InUseBytes, (nuint)after.InUseBytes);
                Expect.Equal((nuint)0, (nuint)after.CachedBytes);
                Expect.Equal((nuint)before.HeaderBytes, (nuint)after.HeaderBytes);
                Expect.Equal(before.ThreadCaches, after.ThreadCaches);
                AssertStatisticsAddUp(block);

                HeapCount expected = CountIfRunning();
                Expect.Equal(before.FailedAllocations + 1, expected.Failed);
                Expect.True(TryAlloc(unchecked((nuint)(1UL << 47))) == null);
                expected.Failed++;
                Expect.Equal(expected, CountIfRunning());
                Free(block);
            }

            [Fact]
            public void Statistics_may_be_asked_for_by_any_thread_meanwhile()
            {
                Threads.RunBeside(() => GetStatistics(), () =>
                {
                    ShadowModel model = new ShadowModel(55, 16 << 20);
                    model.Run(2000);
                    model.FreeAll();
                });
                AssertStatisticsAddUp();
            }

            // Has small blocks, where the form keeps any, and a large one freed and not given back.
            // Returns: A live block.
            private static void* LeaveEverythingCached()
            {
                void* block = Alloc(1);
                Free(Alloc(100));
                Free(Alloc(5 << 20));
                return block;
            }
        }

        public static partial class Scenarios
        {
            /// <summary>In a process of its own: caches of other tests' threads would be counted.</summary>
            public static void CountThreadCaches()
            {
                int one = Form.HasThreadCaches ? 1 : 0;
                Free(Alloc(300_000));
                Free(Alloc(5 << 20));
                Expect.Equal(0, GetStatistics().ThreadCaches);
                void* block = Alloc(100);
                Expect.Equal(one, GetStatistics().ThreadCaches);
                Threads.Run(1, _ =>
                {
                    Expect.Equal(one, GetStatistics().ThreadCaches);
                    Free(block);
                    Expect.Equal(2 * one, GetStatistics().ThreadCaches);
                });
                Expect.Equal(2 * one, GetStatistics().ThreadCaches);
                Trim();
                Expect.Equal(one, GetStatistics().ThreadCaches);
                Destroy();
                Expect.Equal(one, GetStatistics().ThreadCaches);
            }
        }
    }
}
