namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class SizeClassTests
        {
            private const int MaxSize = (int)SizeClasses.MaxSize;

            public static TheoryData<int> AllClasses => new(Enumerable.Range(1, SizeClasses.Count));

            [Fact]
            public void Every_size_to_32_KiB_has_a_block_that_holds_it()
            {
                for (nuint size = 0; size <= MaxSize; size++)
                    Expect.True(SizeClasses.SizeOf(SizeClasses.Of(size)) >= size, $"size {size}");
            }

            [Fact]
            public void Up_to_128_bytes_at_most_15_are_wasted()
            {
                for (nuint size = 1; size <= 128; size++)
                    Expect.True(SizeClasses.SizeOf(SizeClasses.Of(size)) - size <= 15, $"size {size}");
            }

            [Fact]
            public void Above_128_bytes_less_than_an_eighth_of_a_block_is_wasted()
            {
                for (nuint size = 129; size <= MaxSize; size++)
                {
                    nuint block = SizeClasses.SizeOf(SizeClasses.Of(size));
                    Expect.True((block - size) * 8 < block, $"size {size} in a block of {block}");
                }
            }

            [Fact]
            public void Every_size_gets_the_smallest_class_that_holds_it()
            {
                for (nuint size = 1; size <= MaxSize; size++)
                {
                    int sizeClass = SizeClasses.Of(size);
                    Expect.True(sizeClass == 1 || SizeClasses.SizeOf(sizeClass - 1) < size, $"size {size}");
                }
            }

            [Fact]
            public void Classes_ascend_in_multiples_of_16_and_end_at_32_KiB()
            {
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    Expect.Equal((nuint)0, size % 16);
                    Expect.True(sizeClass == 1 || size > SizeClasses.SizeOf(sizeClass - 1), $"class {sizeClass}");
                    Expect.Equal(sizeClass, SizeClasses.Of(size));
                }

                Expect.Equal(SizeClasses.MaxSize, SizeClasses.SizeOf(SizeClasses.Count));
                Expect.Equal(1, SizeClasses.Of(0));
            }

            [Fact]
            public void Every_size_and_alignment_get_the_smallest_class_that_is_a_multiple_of_the_alignment()
            {
                for (nuint alignment = 1; alignment <= MaxSize; alignment *= 2)
                {
                    int expected = 1;
                    for (nuint size = 0; size <= MaxSize; size++)
                    {
                        while (SizeClasses.SizeOf(expected) < size || SizeClasses.SizeOf(expected) % alignment != 0)
                            expected++;
                        int actual = SizeClasses.OfAligned(size, alignment);
                        if (actual != expected)
                            Expect.Fail($"size {size} at {alignment}: class {actual} instead of {expected}");
                    }
                }
            }

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void A_slab_holds_eight_blocks_and_loses_at_most_a_sixteenth(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                nuint pages = (nuint)SizeClasses.PagesPerSlab(size);
                nuint bytes = pages * Segment.PageSize;
                Expect.True(bytes / size >= 8, $"{bytes / size} blocks of {size}");
                Expect.True(bytes % size * 16 <= bytes, $"{bytes % size} of {bytes} bytes lost by blocks of {size}");
                Expect.True(bytes / size <= Slab.MaxCapacity);
                // A bitmap may be longer than its page's share only if it ends within the shares of the slab's other pages.
                Expect.True((bytes / size + 63) / 64 * 8 <= Segment.BitmapBytes * pages);
                Expect.True(pages == 1 || IsTooSmall(size, pages - 1), $"{pages - 1} pages would do for blocks of {size}");
            }

            private static bool IsTooSmall(nuint size, nuint pages) =>
                pages * Segment.PageSize / size < 8 || pages * Segment.PageSize % size * 16 > pages * Segment.PageSize;

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void The_reciprocal_divides_every_offset_of_a_slab_exactly(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                int pages = SizeClasses.PagesPerSlab(size);
                using var memory = new FakeSegment();
                PageRun run = new PageRun(memory.Segment, 5, 0);
                Slab* slab = Slab.Initialize(run, sizeClass, (int)size, pages);
                nuint start = Slab.AddressOf(slab);
                for (nuint offset = 0; offset < (nuint)pages * Segment.PageSize; offset++)
                {
                    nuint index = offset / size;
                    if (Slab.IndexOf(slab, start + offset) != (int)index)
                        Expect.Fail($"block size {size}, offset {offset}: {Slab.IndexOf(slab, start + offset)} instead of {index}");
                    bool begins = offset % size == 0 && index < (nuint)slab->Capacity;
                    if (Slab.IsBlockStart(slab, start + offset) != begins)
                        Expect.Fail($"block size {size}, offset {offset}: begins a block: {!begins}");
                }
            }

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void A_slab_hands_out_its_blocks_in_ascending_order_and_takes_each_back_once(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                using var memory = new FakeSegment();
                Slab* slab = Slab.Initialize(new PageRun(memory.Segment, 9, 0), sizeClass, (int)size, SizeClasses.PagesPerSlab(size));
                nuint start = Slab.AddressOf(slab);
                for (int i = 0; i < slab->Capacity; i++)
                    Expect.Equal(start + (nuint)i * size, Slab.Take(slab));
                Expect.Equal(0, slab->FreeCount);

                int[] order = Enumerable.Range(0, slab->Capacity).ToArray();
                new Random(sizeClass).Shuffle(order);
                foreach (int index in order)
                {
                    Expect.False(Slab.IsFree(slab, index));
                    Expect.True(Slab.TryGive(slab, index));
                    Expect.False(Slab.TryGive(slab, index));
                    Expect.True(Slab.IsFree(slab, index));
                }

                Expect.True(slab->IsEmpty);
                Expect.Equal(start, Slab.Take(slab));
            }

            [Fact]
            public void Good_size_is_what_a_block_turns_out_to_have()
            {
                Destroy();
                for (nuint size = 0; size <= 40_000; size += size < 2048 ? 1u : 97u)
                {
                    void* block = Alloc(size);
                    Expect.Equal(UsableSize(block), GoodSize(size));
                    Free(block);
                }

                foreach (nuint size in new nuint[] { 65_536, 65_537, 2 << 20, (2 << 20) + 1, 5_000_001 })
                {
                    void* block = Alloc(size);
                    Expect.Equal(UsableSize(block), GoodSize(size));
                    Free(block);
                }

                Destroy();
            }
        }
    }
}
