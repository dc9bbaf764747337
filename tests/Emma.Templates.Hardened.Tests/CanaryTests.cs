using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// What lies around a small block: whichever byte of it changes, the block does not look intact to those who free it, on the short
        /// way and on the long ones.
        /// </summary>
        public sealed class CanaryTests : HeapTest
        {
            private static readonly nuint[] s_sizes =
                [.. Enumerable.Range(1, 300).Select(size => (nuint)size), 500, 505, 1000, 1016, 1017, 1024, 2040, 2041, 4096, 10_000,
                    32_000, 32_760];

            [Fact]
            public void The_table_of_block_sizes_is_that_of_the_classes()
            {
                Expect.Equal((nuint)0, BlockSizes.Of(PageMap.None));
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    Expect.Equal(SizeClasses.SizeOf(sizeClass), BlockSizes.Of((nuint)sizeClass));
                for (int pageClass = SizeClasses.Count + 1; pageClass < PageMap.Count; pageClass++)
                    Expect.Equal((nuint)0, BlockSizes.Of((nuint)pageClass));
            }

            [Fact]
            public void Whichever_byte_around_a_block_changes_it_looks_overwritten()
            {
                foreach (nuint size in s_sizes)
                {
                    // So many that some lie at the ends of pages, and some beside live blocks, some beside free ones.
                    nuint[] blocks = [.. Enumerable.Range(0, size < 2000 ? 100 : 20).Select(_ => (nuint)Alloc(size))];
                    for (int i = 0; i < blocks.Length; i += 2)
                        Free((void*)blocks[i]);
                    for (int i = 1; i < blocks.Length; i += 2)
                    {
                        LookAt(blocks[i], size);
                        Free((void*)blocks[i]);
                    }
                }
            }

            [Theory]
            [InlineData(1, 64)]
            [InlineData(40, 128)]
            [InlineData(100, 512)]
            [InlineData(5000, 8192)]
            public void Whichever_byte_around_an_aligned_block_changes_it_looks_overwritten(int size, int alignment)
            {
                for (int i = 0; i < 20; i++)
                {
                    void* block = AlignedAlloc((nuint)size, (nuint)alignment);
                    LookAt((nuint)block, (nuint)size);
                    AlignedFree(block);
                }
            }

            [Fact]
            public void A_block_that_a_thread_owns_looks_intact_to_its_neighbours_and_is_not_owned_twice()
            {
                nuint[] blocks = [.. Enumerable.Range(0, 60).Select(_ => (nuint)Alloc(100))];
                nuint blockSize = BlockSizeOf(blocks[0]);
                foreach (nuint block in blocks.Where(block => blocks.Contains(block - blockSize)))
                {
                    nuint neighbour = block - blockSize;
                    ulong word = Canary.WordOf(neighbour, blockSize);
                    Expect.True(Canary.TryOwn(neighbour, blockSize, word));
                    Expect.False(Canary.TryOwn(neighbour, blockSize, word));
                    // Its mark still says Live, as if the owner had been held up.
                    Expect.False(Canary.TryOwn(neighbour, blockSize, LiveMarks.Of(neighbour), out _));
                    Expect.Throws<ArgumentException>(() => Free((void*)neighbour));
                    Canary.RequireNeighbours(block, blockSize, LiveMarks.Of(block));
                    *(ulong*)(neighbour + blockSize - Canary.Bytes) = word;
                }

                Array.ForEach(blocks, block => Free((void*)block));
            }

            [Fact]
            public void Free_blocks_of_all_lengths_are_looked_through_and_cleared_to_their_ends_and_no_farther()
            {
                byte* memory = stackalloc byte[33_000 + 64];
                byte* begin = (byte*)(((nuint)memory + 63) & ~(nuint)31);
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    new Span<byte>(begin - 16, (int)size + 32).Fill(1);
                    Zeros.Clear((nuint)begin, size);
                    Expect.True(begin[-1] == 1 && begin[size] == 1 && Pattern.IsZero(begin, size), $"{size} bytes");
                    for (nuint at = 0; at < size; at += at is < 300 or > 32_000 ? 1 : (nuint)61)
                    {
                        Expect.True(Zeros.Are((nuint)begin, size));
                        begin[at] = 0x80;
                        Expect.False(Zeros.Are((nuint)begin, size), $"byte {at} of {size}");
                        begin[at] = 0;
                    }
                }
            }

            private static nuint BlockSizeOf(nuint block) => BlockSizes.Of((nuint)PageMap.ClassOf(block));

            private static void LookAt(nuint block, nuint size)
            {
                nuint blockSize = BlockSizeOf(block);
                nuint slab = Slab.AddressOf(Slab.Of(block));
                nuint end = slab + (nuint)Slab.Of(block)->Capacity * blockSize;
                // Of a live neighbour before it the last eight bytes are known, of free ones 32 bytes in all.
                for (nuint distance = 1; distance <= 32 && block - distance >= slab; distance++)
                {
                    nuint neighbour = block - (distance + blockSize - 1) / blockSize * blockSize;
                    if (*LiveMarks.Of(neighbour) == 0 || block - distance >= neighbour + blockSize - Canary.Bytes)
                        Change(block, size, blockSize, block - distance);
                }

                for (nuint at = block + size; at < block + blockSize; at++)
                    Change(block, size, blockSize, at);
                for (nuint at = block + blockSize; at < block + blockSize + 32 && at < end; at++)
                {
                    if (*LiveMarks.Of(at - (at - block) % blockSize) == 0)
                        Change(block, size, blockSize, at);
                }

                Expect.True(LooksIntact(block, blockSize), $"size {size}");
            }

            private static void Change(nuint block, nuint size, nuint blockSize, nuint address)
            {
                *(byte*)address ^= 0x41;
                bool looksIntact = LooksIntact(block, blockSize);
                *(byte*)address ^= 0x41;
                Expect.False(looksIntact, $"size {size}, 0x{block:x}: the byte at {(long)address - (long)block}");
            }

            // As the ways of freeing find out, the short one if the block may go it.
            private static bool LooksIntact(nuint block, nuint blockSize)
            {
                ulong word = Canary.WordOf(block, blockSize);
                byte* mark = LiveMarks.Of(block);
                bool amidst = Canary.IsAmidst(block, blockSize);
                bool atEnds = Canary.AreNeighboursIntactAtEnds(block, blockSize, mark);
                Expect.True(!amidst || atEnds == Canary.AreNeighboursIntact(block, blockSize, mark));
                bool isIntact = Canary.IsIntact(block, blockSize, word, few: false);
                Expect.True(isIntact || !Canary.IsIntact(block, blockSize, word, few: true));
                return isIntact && atEnds;
            }
        }
    }
}
