namespace Emma.Templates;

using ClrBitOperations = global::System.Numerics.BitOperations;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrThread = global::System.Threading.Thread;
using ClrVector = global::System.Runtime.Intrinsics.Vector128<ulong>;
using ClrVectors = global::System.Runtime.Intrinsics.Vector128;
using ClrVolatile = global::System.Threading.Volatile;
using ClrWideVector = global::System.Runtime.Intrinsics.Vector256<ulong>;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What a small block has behind the requested bytes: a pattern that nobody can guess, and in its last eight bytes the requested
        // size, twice, scrambled.
        internal static class Canary
        {
            // Bytes that a block has besides those asked for, at least.
            internal const nuint Bytes = sizeof(ulong);

            // The largest size of a small block.
            internal const nuint MaxSize = SizeClasses.MaxSize - Bytes;

            // So far before and behind a block the bytes of its neighbours are looked at when it is freed.
            private const nuint Reach = 32;

            // How often a neighbour is looked at again before it counts as corrupted: its owner may have been just about to change it.
            private const int Glances = 64;

            // The requested size stands in both halves of a word.
            private const int SizeShift = 32;

            // What stands in the place of the size while a thread frees or resizes the block: no size, as the halves differ.
            private const ulong Owned = 1;

            // Has the bits of an address that differ most stand where those of a size do not.
            private const int KeyRotation = 20;

            // Bytes that are never 0, so that the end of a string shows.
            private static ulong NeverZero => 0x0101_0101_0101_0101;

            // Fills what lies behind the requested bytes of a block that the caller owns, marks it Live and lets go of it.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Write(nuint block, nuint blockSize, nuint size, byte* mark)
            {
                ulong key = KeyOf(block);
                ulong pattern = key | NeverZero;
                nuint begin = block + size;
                nuint end = block + blockSize - Bytes;
                // Where fewer than eight bytes are to be filled this runs into the last eight, which come next.
                *(ulong*)begin = pattern;
                if (end - begin >= sizeof(ulong))
                {
                    *(ulong*)(end - sizeof(ulong)) = pattern;
                    if (end - begin >= 2 * sizeof(ulong))
                        Fill(begin, end, pattern);
                }

                // The word last: once it stands for a size the block can be owned, and its mark is its owner's.
                ClrVolatile.Write(ref *(ulong*)end, key ^ Owned);
                ClrVolatile.Write(ref *mark, LiveMarks.Live);
                ClrVolatile.Write(ref *(ulong*)end, key ^ ((ulong)size | ((ulong)size << SizeShift)));
            }

            // The requested size of a block marked Live. False: another thread owns it, or has freed it. The process ends if it was written
            // past its end.
            internal static bool TryRequire(nuint block, nuint blockSize, byte* mark, out nuint size)
            {
                size = 0;
                while (ClrVolatile.Read(ref *mark) == LiveMarks.Live)
                {
                    ulong word = WordOf(block, blockSize);
                    if (word == (KeyOf(block) ^ Owned))
                        return false;
                    bool isSize = TryReadSize(word, blockSize, KeyOf(block), out size);
                    if (isSize && IsTailFilled(block + size, block + blockSize - Bytes, PatternOf(block)))
                        return true;
                    if (ClrVolatile.Read(ref *mark) == LiveMarks.Live && WordOf(block, blockSize) == word)
                        Corruption.Overrun(block, isSize ? size : blockSize - Bytes);
                }

                return false;
            }

            // Whether a live block looks as if it was not written past its end. Its owner alone can be sure.
            // block: The block.
            // blockSize: Bytes with what the heap adds.
            // word: Its last eight bytes.
            // few: Whether it has, as a rule, fewer than sixteen bytes to look at; a constant. Those that have more do not look intact.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool IsIntact(nuint block, nuint blockSize, ulong word, bool few)
            {
                ulong key = KeyOf(block);
                if (!TryReadSize(word, blockSize, key, out nuint size))
                    return false;

                nuint begin = block + size;
                nuint end = block + blockSize - Bytes;
                if (end - begin < 2 * sizeof(ulong))
                    return ShortTail(begin, end, key | NeverZero) == 0;
                return !few && IsFilled(begin, end, key | NeverZero);
            }

            // Makes the caller the owner of a live block whose last eight bytes it has seen: of two threads one, because they become a word
            // that stands for no size. Whoever owns it marks it Busy next. False: another thread owned it.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryOwn(nuint block, nuint blockSize, ulong word) =>
                ClrInterlocked.CompareExchange(ref *(ulong*)(block + blockSize - Bytes), KeyOf(block) ^ Owned, word) == word;

            // As above, for a block that begins at some address, if one does, and marks it Busy. The process ends if the block was written
            // past its end.
            internal static bool TryOwn(nuint block, nuint blockSize, byte* mark, out nuint size)
            {
                size = 0;
                if (block % SizeClasses.Granularity != 0)
                    return false;

                while (ClrVolatile.Read(ref *mark) == LiveMarks.Live)
                {
                    ulong word = WordOf(block, blockSize);
                    if (TryReadSize(word, blockSize, KeyOf(block), out size))
                    {
                        if (!TryOwn(block, blockSize, word))
                            continue;

                        ClrVolatile.Write(ref *mark, LiveMarks.Busy);
                        if (!IsTailFilled(block + size, block + blockSize - Bytes, PatternOf(block)))
                            Corruption.Overrun(block, size);
                        return true;
                    }

                    if (word == (KeyOf(block) ^ Owned))
                        return false;
                    // Whoever frees a block marks it Busy before it clears it, so nobody has: these bytes are a live block's.
                    if (ClrVolatile.Read(ref *mark) == LiveMarks.Live && WordOf(block, blockSize) == word)
                        Corruption.Overrun(block, blockSize - Bytes);
                }

                return false;
            }

            // The last eight bytes of a block.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static ulong WordOf(nuint block, nuint blockSize) => ClrVolatile.Read(ref *(ulong*)(block + blockSize - Bytes));

            // Whether the bytes between the requested ones and the last eight are as Write left them.
            private static bool IsTailFilled(nuint begin, nuint end, ulong pattern) =>
                end - begin < 2 * sizeof(ulong) ? ShortTail(begin, end, pattern) == 0 : IsFilled(begin, end, pattern);

            // The bits in which fewer than sixteen bytes differ from what Write left there.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static ulong ShortTail(nuint begin, nuint end, ulong pattern)
            {
                nuint length = end - begin;
                // Of the first eight bytes those before the last whole word, which overwrote the others: 7 at most, 0 at least. A shift by
                // 64 would be one by 0.
                ulong difference = ((*(ulong*)begin ^ pattern) << ((7 - ((int)length & 7)) * 8)) << 8;
                return length < sizeof(ulong) ? difference : difference | (*(ulong*)(end - sizeof(ulong)) ^ pattern);
            }

            // Fills the bytes up to an end, behind which eight bytes more may be overwritten, with a pattern.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining | ClrMethodImplOptions.AggressiveOptimization)]
            internal static void Fill(nuint begin, nuint end, ulong pattern)
            {
                nuint address = begin;
                for (; address + (nuint)sizeof(ClrVector) <= end; address += (nuint)sizeof(ClrVector))
                    *(ClrVector*)address = ClrVectors.Create(pattern);
                for (; address < end; address += sizeof(ulong))
                    *(ulong*)address = pattern;
            }

            // Whether bytes hold a pattern. Eight bytes behind their end may be read.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining | ClrMethodImplOptions.AggressiveOptimization)]
            internal static bool IsFilled(nuint begin, nuint end, ulong pattern)
            {
                ClrVector differences = ClrVector.Zero;
                nuint address = begin;
                for (; address + (nuint)sizeof(ClrVector) <= end; address += (nuint)sizeof(ClrVector))
                    differences |= *(ClrVector*)address ^ ClrVectors.Create(pattern);
                ulong difference = 0;
                for (; address + sizeof(ulong) <= end; address += sizeof(ulong))
                    difference |= *(ulong*)address ^ pattern;
                if (address < end)
                    difference |= (*(ulong*)address ^ pattern) << (int)((sizeof(ulong) - (end - address)) * 8);
                return difference == 0 && differences == ClrVector.Zero;
            }

            // Ends the process if a free block is not all zeros.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void RequireUntouched(nuint block, nuint blockSize)
            {
                if (!Zeros.Are(block, blockSize))
                    Corruption.UsedAfterFree(block, blockSize);
            }

            // Whether one block on either side of a block is all that is within reach, and its page has room for those, so that they are
            // blocks of its slab.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool IsAmidst(nuint block, nuint blockSize)
            {
                nuint offset = block & (Segment.PageSize - 1);
                return offset >= blockSize && offset + 2 * blockSize <= Segment.PageSize - Guards.SlabTail && blockSize >= Reach;
            }

            // Whether the bytes nearest to a block amidst others look as if nobody wrote past its ends: those of free neighbours are zeros,
            // and a live one before it has its canary. Another thread may be changing a neighbour: see RequireNeighbours.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool AreNeighboursIntact(nuint block, nuint blockSize, byte* mark)
            {
                nuint marks = blockSize / SizeClasses.Granularity;
                byte before = ClrVolatile.Read(ref *(mark - marks));
                byte behind = ClrVolatile.Read(ref *(mark + marks));
                ClrWideVector free = ClrWideVector.Zero;
                if (before == 0)
                    free = *(ClrWideVector*)(block - Reach);
                else if (before == LiveMarks.Live && !TryReadSize(WordBefore(block), blockSize, KeyOf(block - blockSize), out nuint _))
                    return false;
                if (behind == 0)
                    free |= *(ClrWideVector*)(block + blockSize);
                return free == ClrWideVector.Zero;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static ulong WordBefore(nuint block) => ClrVolatile.Read(ref *(ulong*)(block - Bytes));

            // The same for blocks of less than 32 bytes, and at the ends of pages.
            internal static bool AreNeighboursIntactAtEnds(nuint block, nuint blockSize, byte* mark)
            {
                NeighboursOf(block, blockSize, out nuint before, out nuint behind);
                for (nuint distance = blockSize; distance <= before; distance += blockSize)
                {
                    if (!LooksIntactBefore(block - distance, blockSize, ClrVolatile.Read(ref *(mark - distance / SizeClasses.Granularity))))
                        return false;
                }

                for (nuint distance = blockSize; distance <= behind; distance += blockSize)
                {
                    if (!LooksIntactBehind(block + distance, blockSize, ClrVolatile.Read(ref *(mark + distance / SizeClasses.Granularity))))
                        return false;
                }

                return true;
            }

            // Ends the process if the bytes nearest to a block, which its caller owns, show that somebody wrote past its ends. A neighbour
            // is looked at more than once if it looks wrong: another thread may be just handing it out or freeing it.
            internal static void RequireNeighbours(nuint block, nuint blockSize, byte* mark)
            {
                NeighboursOf(block, blockSize, out nuint before, out nuint behind);
                for (nuint distance = blockSize; distance <= before; distance += blockSize)
                {
                    if (!IsBeforeIntact(block - distance, blockSize, mark - distance / SizeClasses.Granularity))
                        Corruption.Between(block - distance, block);
                }

                for (nuint distance = blockSize; distance <= behind; distance += blockSize)
                {
                    if (!IsBehindIntact(block + distance, blockSize, mark + distance / SizeClasses.Granularity))
                        Corruption.Between(block, block + distance);
                }
            }

            // So many bytes before and behind a block are blocks of its slab that are within reach: the smallest are shorter than that.
            private static void NeighboursOf(nuint block, nuint blockSize, out nuint before, out nuint behind)
            {
                nuint near = ClrMath.Max(blockSize, Reach);
                nuint offset = block & (Segment.PageSize - 1);
                before = near;
                behind = near;
                if (offset >= near && offset + blockSize + near <= Segment.PageSize - Guards.SlabTail)
                    return;

                Slab* slab = Slab.Of(block);
                before = block - Slab.AddressOf(slab);
                behind = (nuint)slab->Capacity * blockSize - before - blockSize;
                before = ClrMath.Min(before, near);
                behind = ClrMath.Min(behind, near);
            }

            private static bool IsBeforeIntact(nuint neighbour, nuint blockSize, byte* mark)
            {
                for (int glance = 0; glance < Glances; glance++)
                {
                    byte seen = ClrVolatile.Read(ref *mark);
                    if (LooksIntactBefore(neighbour, blockSize, seen) || ClrVolatile.Read(ref *mark) != seen)
                        return true;
                    ClrThread.SpinWait(1 + glance);
                }

                return false;
            }

            private static bool LooksIntactBefore(nuint neighbour, nuint blockSize, byte mark)
            {
                if (mark == 0)
                    return AreZerosIn(neighbour + blockSize - ClrMath.Min(blockSize, Reach), blockSize);
                ulong word = WordOf(neighbour, blockSize);
                return mark != LiveMarks.Live
                    || TryReadSize(word, blockSize, KeyOf(neighbour), out nuint _)
                    || word == (KeyOf(neighbour) ^ Owned);
            }

            private static bool IsBehindIntact(nuint neighbour, nuint blockSize, byte* mark)
            {
                for (int glance = 0; glance < Glances; glance++)
                {
                    if (LooksIntactBehind(neighbour, blockSize, ClrVolatile.Read(ref *mark)) || ClrVolatile.Read(ref *mark) != 0)
                        return true;
                    ClrThread.SpinWait(1 + glance);
                }

                return false;
            }

            private static bool LooksIntactBehind(nuint neighbour, nuint blockSize, byte mark) =>
                mark != 0 || AreZerosIn(neighbour, blockSize);

            private static bool AreZerosIn(nuint begin, nuint blockSize) => Zeros.Are(begin, ClrMath.Min(blockSize, Reach));

            // The requested size that the last eight bytes of a block stand for. False: they stand for none.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryReadSize(ulong word, nuint blockSize, ulong key, out nuint size)
            {
                ulong twice = word ^ key;
                size = (nuint)(uint)(twice & uint.MaxValue);
                return twice >> SizeShift == size && size <= blockSize - Bytes;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static ulong KeyOf(nuint block) => Heap->Cookie ^ ClrBitOperations.RotateLeft(block, KeyRotation);

            // A pattern for what lies around a block with a mapping of its own.
            internal static ulong PatternOf(nuint block) => KeyOf(block) | NeverZero;

            // A random number that is not 0.
            internal static ulong DrawSecret()
            {
                ulong secret = 0;
                VirtualMemory.TryDraw(&secret);
                return secret != 0 ? secret : unchecked((ulong)ClrStopwatch.GetTimestamp() | 1);
            }
        }
    }
}
