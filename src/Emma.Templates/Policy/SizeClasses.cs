namespace Emma.Templates;

using ClrMemoryMarshal = global::System.Runtime.InteropServices.MemoryMarshal;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The sizes of small blocks: steps of 16 bytes up to 128, then eight to a doubling up to 32 KiB. A block exceeds the request by at
        // most 15 bytes up to 128, and by less than 12.5 % of the block above. Class 0 is none; 1 to Count ascend in size.
        internal static class SizeClasses
        {
            internal const int Count = 72;
            internal const nuint MaxSize = 32 * 1024;

            // The longest page runs that caches keep like small blocks: 256 KiB, so that four lengths are a class each.
            internal const int MaxCachedPages = 4;

            // The last class that caches have magazines for, and the largest size.
            internal const int CachedCount = Count + MaxCachedPages;

            internal const nuint MaxCachedSize = (nuint)MaxCachedPages << PageShift;

            // The binary logarithm of a page's 64 KiB.
            internal const int PageShift = 16;

            internal const nuint PageSize = (nuint)1 << PageShift;

            // Every block begins at a multiple of this many bytes.
            internal const nuint Granularity = 16;

            // The largest size in the table that the fast paths use.
            internal const nuint MaxTableSize = 1024;

            private const int GranularityShift = 4;

            // The last size, and its class, before the steps begin to grow.
            private const nuint LinearMax = 128;

            private const int LinearMaxLog2 = 7;
            private const int LinearCount = (int)(LinearMax / Granularity);
            private const int StepsLog2 = 3;
            private const int Steps = 1 << StepsLog2;

            // The class of sizes up to 0, 16, 32, … 1024.
            private static global::System.ReadOnlySpan<byte> Table => new byte[]
            {
                1,
                1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24,
                25, 25, 25, 25, 26, 26, 26, 26, 27, 27, 27, 27, 28, 28, 28, 28,
                29, 29, 29, 29, 30, 30, 30, 30, 31, 31, 31, 31, 32, 32, 32, 32,
            };

            // The smallest class whose blocks hold a size of at most MaxSize bytes; size 0 is held by class 1.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int Of(nuint size)
            {
                if (size <= LinearMax)
                    return size == 0 ? 1 : (int)((size + (Granularity - 1)) >> GranularityShift);

                nuint last = size - 1;
                int log2 = (int)nuint.Log2(last);
                int step = (int)(last >> (log2 - StepsLog2)) & (Steps - 1);
                return LinearCount + 1 + (log2 - LinearMaxLog2) * Steps + step;
            }

            // As Of, from a table; a constant size folds to its class.
            // size: At most MaxTableSize bytes.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint OfTable(nuint size) =>
                ClrUnsafe.AddByteOffset(ref ClrMemoryMarshal.GetReference(Table), unchecked(size + (Granularity - 1)) >> GranularityShift);

            // The bytes of a class's blocks, those of page runs included.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint SizeOf(int sizeClass)
            {
                if (sizeClass > Count)
                    return (nuint)(sizeClass - Count) << PageShift;
                if (sizeClass <= LinearCount)
                    return (nuint)sizeClass << GranularityShift;

                int index = sizeClass - LinearCount - 1;
                return (nuint)(Steps + (index & (Steps - 1)) + 1) << (index / Steps + LinearMaxLog2 - StepsLog2);
            }

            // The smallest class whose blocks hold a size and all begin at multiples of an alignment, a power of two up to MaxSize. Slabs
            // begin at multiples of 64 KiB, so a block size that is a multiple of the alignment will do.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static int OfAligned(nuint size, nuint alignment)
            {
                // A multiple of the alignment is the size of a class, or the steps there are multiples of the alignment.
                int sizeClass = Of(AlignUp(size == 0 ? 1 : size, alignment));
                Assert((SizeOf(sizeClass) & (alignment - 1)) == 0);
                return sizeClass;
            }

            // How many pages a class's slabs have: the fewest that hold eight blocks, or enough for one page, and lose at most 1/16 behind
            // the last.
            internal static int PagesPerSlab(nuint blockSize) => PagesPerSlab(blockSize, minBlocks: 8);

            // The same where memory is scarce: what is free in a slab serves one class only.
            internal static int PagesPerScarceSlab(nuint blockSize) => PagesPerSlab(blockSize, minBlocks: 2);

            private static int PagesPerSlab(nuint blockSize, nuint minBlocks)
            {
                const int maxLossShift = 4;
                int pages = 1;
                while (true)
                {
                    nuint bytes = (nuint)pages << PageShift;
                    if (bytes / blockSize >= minBlocks && bytes % blockSize <= bytes >> maxLossShift)
                        return pages;
                    pages++;
                }
            }
        }
    }
}
