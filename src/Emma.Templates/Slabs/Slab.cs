namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The descriptor of a slab: one or more pages of blocks of one class. Which blocks are free is a bitmap of two levels in the
        // segment's page 0, never a list inside freed memory: free memory stays untouched, and a write to it cannot capture the allocator.
        // The lowest free block is always taken first, so that pages behind the highest one ever used stay untouched.
        // Invariants: bit w of Summary says that word w of the bitmap is not 0; FreeCount is the number of set bits. All under the bin's
        // lock.
        internal struct Slab
        {
            private const int WordBits = 64;
            private const int WordShift = 6;

            // Two levels of words address this many blocks; a page holds no more.
            internal const int MaxCapacity = WordBits * WordBits;

            internal PageSpan Span;

            // Which list of its bin it stands on while it has a free block.
            internal byte Home;

            internal Slab* Next;
            internal Slab* Previous;
            private ulong _summary;

            // 2^32 / (block size / 16), rounded up: divides offsets within a slab exactly.
            private ulong _reciprocal;

            internal int FreeCount;
            internal int Capacity;
            internal int BlockSize;

            internal readonly bool IsEmpty => FreeCount == Capacity;

            internal static Slab* At(Segment* segment, int page) => (Slab*)Segment.SpanAt(segment, page);

            // The descriptor of the slab that an address lies in.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static Slab* Of(nuint address)
            {
                Segment* segment = Segment.Of(address);
                return At(segment, Segment.SpanAt(segment, Segment.PageOf(address))->HeadPage);
            }

            // Makes the pages a slab of free blocks.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static Slab* Initialize(PageRun run, int sizeClass, int blockSize, int pages)
            {
                Slab* slab = At(run.Segment, run.Page);
                slab->Span.Describe(run, sizeClass, pages);
                slab->BlockSize = blockSize;
                slab->Capacity = (int)(((nuint)pages * Segment.PageSize - Guards.SlabTail) / (nuint)blockSize);
                slab->FreeCount = slab->Capacity;
                ulong unit = (ulong)blockSize / (ulong)SizeClasses.Granularity;
                slab->_reciprocal = ((1UL << 32) + unit - 1) / unit;
                Assert(slab->Capacity <= MaxCapacity);

                ulong* bitmap = Segment.BitmapAt(run.Segment, run.Page);
                int words = slab->Capacity >> WordShift;
                for (int i = 0; i < words; i++)
                    bitmap[i] = ~0UL;
                int rest = slab->Capacity & (WordBits - 1);
                if (rest != 0)
                    bitmap[words++] = (1UL << rest) - 1;
                slab->_summary = words == WordBits ? ~0UL : (1UL << words) - 1;
                return slab;
            }

            // Restores what follows from the bitmap.
            internal static void Recount(Slab* slab)
            {
                ulong* bitmap = BitmapOf(slab);
                slab->FreeCount = 0;
                slab->_summary = 0;
                for (int word = 0; word << WordShift < slab->Capacity; word++)
                {
                    slab->FreeCount += (int)ulong.PopCount(bitmap[word]);
                    slab->_summary |= bitmap[word] != 0 ? 1UL << word : 0;
                }
            }

            // Takes the lowest free block; there is one.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint Take(Slab* slab)
            {
                Assert(slab->FreeCount > 0 && slab->_summary != 0);
                ulong* bitmap = BitmapOf(slab);
                int word = (int)ulong.TrailingZeroCount(slab->_summary);
                ulong bits = bitmap[word];
                Assert(bits != 0);
                int index = (word << WordShift) + (int)ulong.TrailingZeroCount(bits);
                bits &= bits - 1;
                bitmap[word] = bits;
                if (bits == 0)
                    slab->_summary &= slab->_summary - 1;
                slab->FreeCount--;
                return AddressOf(slab) + (nuint)index * (nuint)slab->BlockSize;
            }

            // Takes the lowest free blocks, so many of them as there are, into the places from one on and before another.
            // Returns: the place behind the last of them.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static ulong* TakeMany(Slab* slab, ulong* blocks, ulong* end)
            {
                ulong* bitmap = BitmapOf(slab);
                ulong begin = AddressOf(slab);
                ulong blockSize = (ulong)slab->BlockSize;
                ulong* next = blocks;
                while (next < end && slab->_summary != 0)
                {
                    int word = (int)ulong.TrailingZeroCount(slab->_summary);
                    ulong beginOfWord = begin + (ulong)(word << WordShift) * blockSize;
                    ulong bits = bitmap[word];
                    for (; bits != 0 && next < end; bits &= bits - 1)
                        *next++ = beginOfWord + ulong.TrailingZeroCount(bits) * blockSize;

                    bitmap[word] = bits;
                    if (bits == 0)
                        slab->_summary &= slab->_summary - 1;
                }

                slab->FreeCount -= (int)(next - blocks);
                return next;
            }

            // Gives a block back. False: it is free already.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryGive(Slab* slab, int index)
            {
                ref ulong word = ref BitmapOf(slab)[index >> WordShift];
                ulong bit = 1UL << (index & (WordBits - 1));
                if ((word & bit) != 0)
                    return false;

                word |= bit;
                slab->_summary |= 1UL << (index >> WordShift);
                slab->FreeCount++;
                return true;
            }

            // Gives back the last of some blocks, and those before it as far as they are of the same slab. Blocks that are free already
            // stay so.
            // Returns: how many were not free.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int GiveMany(Slab* slab, ulong* blocks, ref int count)
            {
                ulong* bitmap = BitmapOf(slab);
                ulong begin = AddressOf(slab);
                ulong length = (ulong)slab->Span.PageCount << Window.PageShift;
                ulong reciprocal = slab->_reciprocal;
                int given = 0;
                int left = count;
                while (left != 0)
                {
                    // A block that lies before the slab is far behind it, too.
                    ulong offset = unchecked(blocks[left - 1] - begin);
                    if (offset >= length)
                        break;

                    left--;
                    // Of two frees at once both may have come this far.
                    if (ChecksBoundaries && !IsBlockStart(slab, (nuint)(begin + offset)))
                        continue;

                    int index = (int)((offset / (ulong)SizeClasses.Granularity * reciprocal) >> 32);
                    ref ulong word = ref bitmap[index >> WordShift];
                    ulong bit = 1UL << (index & (WordBits - 1));
                    given += (word & bit) == 0 ? 1 : 0;
                    word |= bit;
                    slab->_summary |= 1UL << (index >> WordShift);
                }

                slab->FreeCount += given;
                count = left;
                return given;
            }

            internal static bool IsFree(Slab* slab, int index) =>
                (BitmapOf(slab)[index >> WordShift] & (1UL << (index & (WordBits - 1)))) != 0;

            // The number of the block that an address in the slab lies in; not below Capacity if it lies behind the last.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int IndexOf(Slab* slab, nuint address) =>
                (int)(((ulong)(address - AddressOf(slab)) / (ulong)SizeClasses.Granularity * slab->_reciprocal) >> 32);

            // Whether a block of the slab begins at an address in it.
            internal static bool IsBlockStart(Slab* slab, nuint address)
            {
                int index = IndexOf(slab, address);
                return index < slab->Capacity && AddressOf(slab) + (nuint)index * (nuint)slab->BlockSize == address;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint AddressOf(Slab* slab) => Segment.AddressOf(Segment.Of((nuint)slab), slab->Span.HeadPage);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static ulong PagesOf(Slab* slab) => Segment.MaskOf(slab->Span.HeadPage, slab->Span.PageCount);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static ulong* BitmapOf(Slab* slab) => Segment.BitmapAt(Segment.Of((nuint)slab), slab->Span.HeadPage);
        }
    }
}
