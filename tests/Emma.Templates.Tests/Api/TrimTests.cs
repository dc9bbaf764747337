using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class TrimTests : HeapTest
        {
            [Fact]
            public void Trim_of_a_heap_without_live_blocks_leaves_no_segment_and_no_cache()
            {
                List<nuint> blocks = [];
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    for (int i = 0; i < 20; i++)
                        blocks.Add((nuint)Alloc(SizeClasses.SizeOf(sizeClass)));
                }

                blocks.Add((nuint)Alloc(1 << 20));
                blocks.Add((nuint)Alloc(9 << 20));
                blocks.ForEach(block => Free((void*)block));
                nuint mapped = (nuint)GetStatistics().MappedBytes;
                nuint given = Trim();
                HeapStatistics s = GetStatistics();
                Expect.Equal(0, s.Segments);
                Expect.Equal((nuint)0, (nuint)s.CachedBytes + (nuint)s.FreeBytes + (nuint)s.InUseBytes);
                Expect.True(given >= mapped - (nuint)s.MappedBytes, $"{given} bytes reported, {mapped - (nuint)s.MappedBytes} unmapped");
                Expect.Equal((nuint)0, Trim());
            }

            [Fact]
            public void Trim_discards_dirty_free_pages_beside_live_blocks()
            {
                void* pin = Alloc(1);
                void* dirty = Alloc(2 << 20);
                Fill(dirty, 2 << 20, 1);
                Free(dirty);
                long resident = ProcessMaps.Resident();
                nuint given = Trim();
                Expect.True(given >= 2 << 20);
                Expect.True(resident - ProcessMaps.Resident() > 1 << 20);
                Expect.Equal(1, GetStatistics().Segments);
                *(byte*)pin = 1;
                AssertStatisticsAddUp(pin);
                Free(pin);
            }

            [Fact]
            public void Trim_keeps_every_live_block()
            {
                ShadowModel model = new ShadowModel(9, 24 << 20);
                for (int i = 0; i < 10; i++)
                {
                    model.Run(200);
                    Trim();
                    model.CheckAll();
                    AssertStatisticsAddUp(model.AnyBlock);
                }

                model.FreeAll();
            }

            [Fact]
            public void Trim_while_other_threads_allocate_leaves_no_segment_in_the_end()
            {
                Threads.RunBeside(() => Trim(), () => Threads.Run(2, seed =>
                {
                    ShadowModel model = new ShadowModel(700 + seed, 16 << 20);
                    model.Run(1500);
                    model.FreeAll();
                }));
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp();
                Trim();
                Expect.Equal(0, GetStatistics().Segments);
            }

            [Fact]
            public void Trim_of_a_heap_that_never_allocated_does_nothing() => Expect.Equal((nuint)0, Trim());
        }
    }
}
