using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The methods that <c>Marshal</c> has, and what a block of a size and an alignment has.</summary>
        public sealed class HGlobalTests : HeapTest
        {
            [Fact]
            public void They_are_those_of_the_heap_under_the_names_of_Marshal()
            {
                nint block = AllocHGlobal(100);
                *(long*)block = 42;
                block = ReAllocHGlobal(block, 100_000);
                Expect.Equal(42, *(long*)block);
                Expect.True(UsableSize((void*)block) >= 100_000);
                FreeHGlobal(block);
                FreeHGlobal(0);
                nint none = AllocHGlobal((nint)0);
                nint other = ReAllocHGlobal(0, 0);
                Expect.True(none != 0 && other != 0 && none != other);
                FreeHGlobal(none);
                FreeHGlobal(other);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Throws<OutOfMemoryException>(() => AllocHGlobal(-1));
                Expect.Throws<OutOfMemoryException>(() => AllocHGlobal((nint)(-1)));
            }

            [Fact]
            public void A_block_has_the_good_size_of_its_size_and_alignment()
            {
                foreach (nuint size in new nuint[] { 0, 1, 100, 4097, 32_768, 32_769, 100_000, 2 << 20, 5_000_000 })
                {
                    for (nuint alignment = 1; alignment <= 1 << 20; alignment *= 4)
                    {
                        void* block = AlignedAlloc(size, alignment);
                        nuint good = GoodSize(size, alignment);
                        Expect.True(UsableSize(block) == good, $"{size} at {alignment}: {good} instead of {UsableSize(block)}");
                        Expect.True(good >= size);
                        Free(block);
                        Trim();
                    }

                    Expect.Equal(GoodSize(size), GoodSize(size, 1));
                }

                Expect.Throws<ArgumentException>(() => GoodSize(1, 3));
            }
        }
    }
}
