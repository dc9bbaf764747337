namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMemoryExtensions = global::System.MemoryExtensions;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrThread = global::System.Threading.Thread;
using ClrVector = global::System.Runtime.Intrinsics.Vector128<ulong>;
using ClrVectors = global::System.Runtime.Intrinsics.Vector128;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// What a small block has behind the requested bytes: a pattern that nobody can guess, and in its last eight bytes the requested size, twice, scrambled.
    /// </summary>
    private static class Canary
    {
        /// <summary>Bytes that a block has besides those asked for, at least.</summary>
        internal const nuint Bytes = sizeof(ulong);

        /// <summary>The largest size of a small block.</summary>
        internal const nuint MaxSize = SizeClasses.MaxSize - Bytes;

        /// <summary>So far before and behind a block the bytes of its neighbours are looked at when it is freed.</summary>
        private const nuint Reach = 32;

        /// <summary>How often a neighbour is looked at again before it counts as corrupted: its owner may have been just about to change it.</summary>
        private const int Glances = 64;

        /// <summary>From here on a call that looks at many bytes at once is faster.</summary>
        private const nuint LongSize = 128;

        /// <summary>Bytes that are never 0, so that the end of a string shows.</summary>
        private static ulong NeverZero => 0x0101_0101_0101_0101;

        /// <summary>Fills what lies behind the requested bytes of a block.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void Write(nuint block, nuint blockSize, nuint size)
        {
            ulong key = KeyOf(block);
            Fill(block + size, block + blockSize - Bytes, key | NeverZero);
            *(ulong*)(block + blockSize - Bytes) = key ^ ((ulong)size | ((ulong)size << 32));
        }

        /// <summary>The requested size of a live block, which was not written past its end, or the process ends.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static nuint Require(nuint block, nuint blockSize)
        {
            if (!TryReadSize(block, blockSize, out nuint size))
                Corruption.Overrun(block, blockSize - Bytes);
            if (!IsFilled(block + size, block + blockSize - Bytes, KeyOf(block) | NeverZero))
                Corruption.Overrun(block, size);
            return size;
        }

        /// <summary>Fills the bytes up to an end, behind which eight bytes more may be overwritten, with a pattern.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void Fill(nuint begin, nuint end, ulong pattern)
        {
            nuint address = begin;
            for (; address + (nuint)sizeof(ClrVector) <= end; address += (nuint)sizeof(ClrVector))
                *(ClrVector*)address = ClrVectors.Create(pattern);
            for (; address < end; address += sizeof(ulong))
                *(ulong*)address = pattern;
        }

        /// <summary>Whether bytes hold a pattern. Eight bytes behind their end may be read.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
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

        /// <summary>Ends the process if a free block is not all zeros.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void RequireUntouched(nuint block, nuint blockSize)
        {
            if (!IsZero(block, blockSize))
                Corruption.UsedAfterFree(block, blockSize);
        }

        /// <summary>
        /// Ends the process if the bytes nearest to a block, which its caller owns, show that somebody wrote past its ends: those of free neighbours are zeros, and
        /// a live one before it has its canary.
        /// </summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void RequireNeighbours(nuint block, nuint blockSize, byte* mark)
        {
            // Where its page has room for one more block on either side, those are blocks of its slab.
            nuint offset = block & (Segment.PageSize - 1);
            bool isAmidst = offset >= blockSize && offset + 2 * blockSize <= Segment.PageSize - Guards.SlabTail;
            if (!isAmidst || blockSize < Reach)
            {
                RequireNeighboursWithin(Slab.Of(block), block, blockSize, mark);
                return;
            }

            if (!IsBeforeIntact(block - blockSize, blockSize, mark - blockSize / SizeClasses.Granularity))
                Corruption.Underrun(block);
            if (!IsBehindIntact(block + blockSize, blockSize, mark + blockSize / SizeClasses.Granularity))
                Corruption.OverrunFar(block);
        }

        private static void RequireNeighboursWithin(Slab* slab, nuint block, nuint blockSize, byte* mark)
        {
            nuint before = block - Slab.AddressOf(slab);
            nuint behind = (nuint)slab->Capacity * blockSize - before - blockSize;
            // The smallest blocks are shorter than the reach.
            for (nuint distance = blockSize; distance <= before; distance += blockSize)
            {
                if (!IsBeforeIntact(block - distance, blockSize, mark - distance / SizeClasses.Granularity))
                    Corruption.Underrun(block);
                if (distance >= Reach)
                    break;
            }

            for (nuint distance = blockSize; distance <= behind; distance += blockSize)
            {
                if (!IsBehindIntact(block + distance, blockSize, mark + distance / SizeClasses.Granularity))
                    Corruption.OverrunFar(block);
                if (distance >= Reach)
                    break;
            }
        }

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private static bool IsBeforeIntact(nuint neighbour, nuint blockSize, byte* mark) =>
            LooksIntactBefore(neighbour, blockSize, ClrVolatile.Read(ref *mark)) || IsBeforeIntactSlowly(neighbour, blockSize, mark);

        private static bool IsBeforeIntactSlowly(nuint neighbour, nuint blockSize, byte* mark)
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

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private static bool LooksIntactBefore(nuint neighbour, nuint blockSize, byte mark)
        {
            nuint looked = ClrMath.Min(blockSize, Reach);
            return mark == 0 ? IsZero(neighbour + blockSize - looked, looked) : mark != LiveMarks.Live || TryReadSize(neighbour, blockSize, out nuint _);
        }

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private static bool IsBehindIntact(nuint neighbour, nuint blockSize, byte* mark) =>
            ClrVolatile.Read(ref *mark) != 0 || IsZero(neighbour, ClrMath.Min(blockSize, Reach)) || IsBehindIntactSlowly(neighbour, blockSize, mark);

        private static bool IsBehindIntactSlowly(nuint neighbour, nuint blockSize, byte* mark)
        {
            for (int glance = 0; glance < Glances; glance++)
            {
                if (ClrVolatile.Read(ref *mark) != 0 || IsZero(neighbour, ClrMath.Min(blockSize, Reach)) || ClrVolatile.Read(ref *mark) != 0)
                    return true;
                ClrThread.SpinWait(1 + glance);
            }

            return false;
        }

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private static bool TryReadSize(nuint block, nuint blockSize, out nuint size)
        {
            ulong twice = ClrVolatile.Read(ref *(ulong*)(block + blockSize - Bytes)) ^ KeyOf(block);
            size = (nuint)(uint)(twice & uint.MaxValue);
            return twice >> 32 == size && size <= blockSize - Bytes;
        }

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private static ulong KeyOf(nuint block) => unchecked((HeapState.Root->Cookie ^ block) * 0x9E37_79B9_7F4A_7C15);

        /// <summary>A pattern for what lies around a block with a mapping of its own.</summary>
        internal static ulong PatternOf(nuint block) => KeyOf(block) | NeverZero;

        /// <summary>Makes bytes, a multiple of 16, zeros.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void Clear(nuint begin, nuint size)
        {
            if (size > LongSize)
            {
                ClrNativeMemory.Clear((void*)begin, size);
                return;
            }

            for (nuint offset = 0; offset < size; offset += (nuint)sizeof(ClrVector))
                *(ClrVector*)(begin + offset) = ClrVector.Zero;
        }

        /// <summary>Whether bytes, a multiple of 16, are all zeros.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private static bool IsZero(nuint begin, nuint size)
        {
            if (size > LongSize)
                return IsZeroLong(begin, size);

            ClrVector all = ClrVector.Zero;
            for (nuint offset = 0; offset < size; offset += (nuint)sizeof(ClrVector))
                all |= *(ClrVector*)(begin + offset);
            return all == ClrVector.Zero;
        }

        private static bool IsZeroLong(nuint begin, nuint size) =>
            !ClrMemoryExtensions.ContainsAnyExcept(new global::System.ReadOnlySpan<byte>((void*)begin, (int)size), (byte)0);

        /// <summary>A random number that is not 0.</summary>
        internal static ulong CreateCookie()
        {
            ulong cookie = 0;
            Syscalls.GetRandom(&cookie, sizeof(ulong));
            return cookie != 0 ? cookie : unchecked((ulong)ClrStopwatch.GetTimestamp() | 1);
        }
    }
}
