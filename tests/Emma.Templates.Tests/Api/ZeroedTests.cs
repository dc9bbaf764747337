using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class ZeroedTests : HeapTest
        {
            public static TheoryData<int> Sizes => new(
                0, 1, 16, 100, 1024, 5000, 32_768, 32_769, 65_536, 65_537, 300_000, 1 << 20, 2 << 20, (2 << 20) + 1, 3 << 20, 9_000_001);

            [Theory]
            [MemberData(nameof(Sizes))]
            public void AllocZeroed_is_zero_where_a_freed_block_was_dirty(int size)
            {
                for (int round = 0; round < 3; round++)
                {
                    void* dirty = Alloc((nuint)size);
                    Fill(dirty, UsableSize(dirty), 0xEE);
                    Free(dirty);
                    void* block = AllocZeroed((nuint)size);
                    Expect.True(Pattern.IsZero(block, (nuint)size), $"size {size}, round {round}");
                    Fill(block, UsableSize(block), 0xDD);
                    Free(block);
                }
            }

            [Fact]
            public void AllocZeroed_is_zero_in_runs_that_lie_partly_in_dirty_pages()
            {
                // Dirty every second page pair of a fresh segment, so that a longer run meets clean and dirty pages.
                void*[] blocks = new void*[20];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = Alloc(2 * Segment.PageSize);
                for (int i = 0; i < blocks.Length; i += 2)
                    Fill(blocks[i], 2 * Segment.PageSize, 0xEE);
                foreach (void* block in blocks)
                    Free(block);

                for (nuint size = Segment.PageSize - 5; size < 2 << 20; size += 3 * Segment.PageSize + 777)
                {
                    void* run = AllocZeroed(size);
                    Expect.True(Pattern.IsZero(run, size), $"size {size}");
                    Fill(run, size, 0xCC);
                    Free(run);
                }
            }

            [Fact]
            public void AllocZeroed_is_zero_after_Trim_discarded_the_pages()
            {
                void* pin = Alloc(1);
                void* dirty = Alloc(1 << 20);
                Fill(dirty, 1 << 20, 0xEE);
                Free(dirty);
                Expect.True(Trim() >= 1 << 20);
                void* block = AllocZeroed(1 << 20);
                Expect.True(Pattern.IsZero(block, 1 << 20));
                Free(block);
                Free(pin);
            }

            [Fact]
            public void AllocZeroed_is_zero_although_pages_could_not_be_discarded()
            {
                using var kernel = new FaultyKernel();
                void* pin = Alloc(1);
                const nuint size = 1 << 20;
                void* dirty = Alloc(size);
                Fill(dirty, size, 0xEE);
                Free(dirty);
                kernel.Begin(new Fault(CallKind.Madvise, 1, Failure.Invalid, Lasts: true));
                Trim();
                kernel.Clear();
                Expect.Equal(0xEE, *(byte*)dirty);
                void* block = AllocZeroed(size);
                Expect.Equal((nuint)dirty, (nuint)block);
                Expect.True(Pattern.IsZero(block, size));
                Free(block);
                Free(pin);
            }

            [Fact]
            public void AllocZeroed_is_zero_in_a_larger_mapping_from_the_cache()
            {
                const nuint large = 8 << 20;
                void* dirty = Alloc(large);
                Fill(dirty, large, 0xEE);
                Free(dirty);
                Expect.Equal(large, (nuint)GetStatistics().CachedBytes);
                nuint size = large - large / 10;
                void* block = AllocZeroed(size);
                Expect.Equal((nuint)dirty, (nuint)block);
                Expect.True(Pattern.IsZero(block, size));
                Free(block);
            }

            [Fact]
            public void AllocZeroed_does_not_touch_fresh_pages_of_a_large_block()
            {
                const nuint size = 256 << 20;
                long before = ProcessMaps.Resident();
                void* block = AllocZeroed(size);
                long touched = ProcessMaps.Resident() - before;
                Expect.True(touched < 32 << 20, $"{touched} bytes touched");
                Expect.True(Pattern.IsZero(block, 1 << 20));
                Free(block);
            }

            [Fact]
            public void AllocZeroed_does_not_touch_fresh_pages_of_runs()
            {
                void*[] blocks = new void*[32];
                AllocZeroed(Segment.PageSize * 4);
                long before = ProcessMaps.MinorFaults();
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = AllocZeroed(1 << 20);
                long faults = ProcessMaps.MinorFaults() - before;
                Expect.True(faults < 2000, $"{faults} faults for {blocks.Length * 256} fresh pages");
                foreach (void* block in blocks)
                    Free(block);
            }

            [Fact]
            public void AllocZeroed_of_elements_multiplies_and_clears()
            {
                void* dirty = Alloc(4000);
                Fill(dirty, 4000, 0xEE);
                Free(dirty);
                void* block = AllocZeroed(1000, 4);
                Expect.True(Pattern.IsZero(block, 4000));
                void* other = TryAllocZeroed(10, 40);
                Expect.True(Pattern.IsZero(other, 400));
                Free(block);
                Free(other);
            }
        }
    }
}
