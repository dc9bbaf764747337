namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The blocks that a thread freed last, all zeros, first in, first out: a block is not allocated again before so many others have
        // been freed, and what is written to it meanwhile shows when it leaves. Part of the thread's cache: whoever takes that over takes
        // these blocks over.
        // Invariant: the slots from `_oldest` on, `_count` of them, hold blocks of `_bytes` bytes that nothing else of the heap holds.
        internal struct Quarantine
        {
            // The most blocks that one thread holds back; a power of two.
            internal const int MaxBlocks = 256;

            // The most bytes that one thread holds back.
            internal const int MaxBytes = 512 * 1024;

            // The class of the largest blocks of which so many as may be held back keep within the bytes that may be. While there are no
            // others, bytes are not counted.
            private const int LastUncounted = 40;

            private const int Uncounted = -1;

            // An address has 47 bits; above them a slot has the block's class.
            private const int ClassShift = 48;

            // Knuth's, of the generator of 64 bits that MMIX has.
            private const ulong Multiplier = 6364136223846793005;

            private ulong _random;
            private uint _oldest;
            private int _count;

            // Bytes held back, or Uncounted.
            private int _bytes;

            // Blocks held back that are larger than those of LastUncounted.
            private int _large;
            private fixed ulong _slots[MaxBlocks];

            internal readonly int Blocks => ClrVolatile.Read(in _count);

            // Bytes held back; about, if the owner frees meanwhile.
            internal readonly nuint Bytes
            {
                get
                {
                    nuint bytes = 0;
                    uint oldest = ClrVolatile.Read(in _oldest);
                    for (int i = ClrVolatile.Read(in _count) - 1; i >= 0; i--)
                        bytes += (nuint)SizeIn(ClrVolatile.Read(in _slots[(oldest + (uint)i) & (MaxBlocks - 1)]));
                    return bytes;
                }
            }

            internal readonly ulong Fingerprint => unchecked((ulong)ClrVolatile.Read(in _oldest) * 31 + (ulong)ClrVolatile.Read(in _count));

            // A random number of 32 bits.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal ulong Next(ThreadCache* cache)
            {
                // A linear congruential generator (Knuth, "The Art of Computer Programming" 2), of which the upper half counts. What is
                // added is a secret of the heap's and the thread's own, and odd, so that the generator needs no seed. It is not the cookie:
                // who works it back from the addresses seen knows no canary.
                ulong random = unchecked(_random * Multiplier + ((Heap->Chance ^ (ulong)cache) | 1));
                _random = random;
                return random >> 32;
            }

            // Whether as many blocks are held back as may be, and none that counts for more than its share of the bytes: then one takes the
            // place of another.
            internal readonly bool IsSteady
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => _bytes == Uncounted;
            }

            // Holds a block back, and lets the oldest ones go where that exceeds a bound.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void Hold(ThreadCache* cache, nuint block, nuint sizeClass)
            {
                if (IsSteady && sizeClass <= LastUncounted)
                    Let(cache, Replace(block, sizeClass));
                else
                    HoldSlowly(cache, SlotOf(block, sizeClass));
            }

            // Puts a block in the place of the one that has waited longest, in a steady quarantine. Should the thread end before it has
            // passed that on, it is lost.
            // Returns: the slot of that one.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal ulong Replace(nuint block, nuint sizeClass)
            {
                nuint place = (nuint)_oldest;
                ulong oldest = _slots[place];
                ClrVolatile.Write(ref _slots[place], SlotOf(block, sizeClass));
                _oldest = (uint)(place + 1) & (MaxBlocks - 1);
                return oldest;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void HoldSlowly(ThreadCache* cache, ulong slot)
            {
                int blockSize = SizeIn(slot);
                Count();
                if (_count == MaxBlocks)
                    Let(cache, TakeOldest());
                while (_bytes + blockSize > MaxBytes && _count != 0)
                    Let(cache, TakeOldest());
                // A thread that died may have left more counted than there was.
                if (_count == 0)
                    Reset();

                _slots[(_oldest + (uint)_count) & (MaxBlocks - 1)] = slot;
                _bytes += blockSize;
                _large += ClassIn(slot) > LastUncounted ? 1 : 0;
                ClrVolatile.Write(ref _count, _count + 1);
                if (_count == MaxBlocks && _large == 0)
                    _bytes = Uncounted;
            }

            // Gives the slabs every block.
            // Returns: bytes unmapped.
            internal nuint Empty()
            {
                nuint unmapped = 0;
                Count();
                while (_count != 0)
                {
                    ulong slot = TakeOldest();
                    ulong block = BlockIn(slot);
                    Canary.RequireUntouched((nuint)block, BlockSizes.Of(ClassIn(slot)));
                    unmapped += Bin.Of((int)ClassIn(slot))->FreeMany(&block, 1, givingIsHeld: true);
                }

                return unmapped;
            }

            // Forgets every block.
            internal void Reset()
            {
                _oldest = 0;
                _bytes = 0;
                _large = 0;
                ClrVolatile.Write(ref _count, 0);
            }

            private void Count()
            {
                if (IsSteady)
                    _bytes = (int)Bytes;
            }

            internal static nuint BlockIn(ulong slot) => (nuint)(slot & ((1UL << ClassShift) - 1));

            internal static nuint ClassIn(ulong slot) => (nuint)(slot >> ClassShift);

            private static ulong SlotOf(nuint block, nuint sizeClass) => (ulong)block | ((ulong)sizeClass << ClassShift);

            private static int SizeIn(ulong slot) => (int)BlockSizes.Of(ClassIn(slot));

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void Let(ThreadCache* cache, ulong slot) => ThreadCache.Give(cache, (int)ClassIn(slot), BlockIn(slot));

            // Takes a block out. It is nobody's before the caller passes it on: should the thread end here, it is lost, not held twice.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private ulong TakeOldest()
            {
                ulong slot = _slots[_oldest];
                ClrVolatile.Write(ref _count, _count - 1);
                _oldest = (_oldest + 1) & (MaxBlocks - 1);
                _bytes -= SizeIn(slot);
                _large -= ClassIn(slot) > LastUncounted ? 1 : 0;
                return slot;
            }
        }
    }
}
