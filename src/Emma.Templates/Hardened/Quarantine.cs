namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// The blocks that a thread freed last, all zeros, first in, first out: a block is not allocated again before so many others have been freed, and what
    /// is written to it meanwhile shows when it leaves. Part of the thread's cache: whoever takes that over takes these blocks over.
    /// </summary>
    /// <remarks>Invariant: the slots from `_oldest` on, `_count` of them, hold blocks of `_bytes` bytes that nothing else of the heap holds.</remarks>
    private struct Quarantine
    {
        /// <summary>The most blocks that one thread holds back; a power of two.</summary>
        internal const int MaxBlocks = 256;

        /// <summary>The most bytes that one thread holds back.</summary>
        internal const int MaxBytes = 512 * 1024;

        /// <summary>An address has 47 bits; above them a slot has the block's class.</summary>
        private const int ClassShift = 48;

        private ulong _random;
        private int _oldest;
        private int _count;
        private int _bytes;
        private fixed ulong _slots[MaxBlocks];

        /// <summary>Bytes held back; about, if the owner frees meanwhile.</summary>
        internal readonly nuint Bytes => (nuint)ClrVolatile.Read(in _bytes);

        internal readonly ulong Fingerprint => unchecked((ulong)ClrVolatile.Read(in _oldest) * 31 + (ulong)ClrVolatile.Read(in _count));

        /// <summary>A random number.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal uint Next()
        {
            // Marsaglia, "Xorshift RNGs", 2003; 0 is its one fixed point, and stands for a generator without a seed.
            ulong x = _random == 0 ? Seed() : _random;
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            _random = x;
            return (uint)(x >> 32);
        }

        /// <summary>Holds a block back, and lets the oldest ones go where that exceeds a bound.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal void Hold(ThreadCache* cache, nuint block, int sizeClass, int blockSize)
        {
            if (_count == MaxBlocks)
                Let(cache, TakeOldest());
            while (_bytes + blockSize > MaxBytes && _count != 0)
                Let(cache, TakeOldest());

            _slots[(_oldest + _count) & (MaxBlocks - 1)] = (ulong)block | ((ulong)sizeClass << ClassShift);
            ClrVolatile.Write(ref _bytes, _bytes + blockSize);
            ClrVolatile.Write(ref _count, _count + 1);
        }

        /// <summary>Gives the slabs every block.</summary>
        /// <returns>Bytes unmapped.</returns>
        internal nuint Empty()
        {
            nuint unmapped = 0;
            while (_count != 0)
            {
                ulong slot = TakeOldest();
                ulong block = BlockIn(slot);
                Canary.RequireUntouched((nuint)block, SizeClasses.SizeOf(ClassIn(slot)));
                unmapped += HeapState.BinOf(ClassIn(slot))->FreeMany(&block, 1, givingIsHeld: true);
            }

            return unmapped;
        }

        /// <summary>Forgets every block.</summary>
        internal void Reset()
        {
            _oldest = 0;
            _bytes = 0;
            ClrVolatile.Write(ref _count, 0);
        }

        private static ulong BlockIn(ulong slot) => slot & ((1UL << ClassShift) - 1);

        private static int ClassIn(ulong slot) => (int)(slot >> ClassShift);

        private static ulong Seed()
        {
            ulong seed = 0;
            Syscalls.GetRandom(&seed, sizeof(ulong));
            return seed != 0 ? seed : unchecked((ulong)ClrStopwatch.GetTimestamp() | 1);
        }

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private static void Let(ThreadCache* cache, ulong slot) => ThreadCache.Give(cache, ClassIn(slot), (nuint)BlockIn(slot));

        /// <summary>Takes a block out. It is nobody's before the caller passes it on: should the thread end here, it is lost, not held twice.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        private ulong TakeOldest()
        {
            ulong slot = _slots[_oldest];
            ClrVolatile.Write(ref _count, _count - 1);
            _oldest = (_oldest + 1) & (MaxBlocks - 1);
            ClrVolatile.Write(ref _bytes, _bytes - (int)HeapState.BinOf(ClassIn(slot))->BlockSize);
            return slot;
        }
    }
}
