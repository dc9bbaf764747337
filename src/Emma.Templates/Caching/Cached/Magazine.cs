namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // An array of free blocks of one class. A cache points at its top, the slot behind the last block. Below the first slot lies a 0
        // and above the last usable one `Full`, so that one load at the top answers both whether there is a block, or room, and which block
        // it is.
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = Bytes)]
        internal struct Magazine
        {
            internal const int Bytes = 1 << BytesLog2;
            internal const int BytesLog2 = 10;

            // Stands behind the last slot. No block has this address.
            internal const ulong Full = 1;

            // Words before the first slot.
            internal const int HeaderWords = 3;

            internal const int MaxCapacity = Bytes / sizeof(ulong) - HeaderWords - 1;

            // The most bytes of blocks that a magazine is filled with, as long as it has two slots: a swap with the depot costs as much as
            // a few dozen allocations, so that for small blocks more would gain nothing, and for large ones it would hoard.
            internal const int BlockBytes = 32 * 1024;

            private const int MinCapacity = 2;

            private nint _next;

            // Within a stack: how many magazines it has from this one down.
            private int _depth;

            private short _capacity;

            // How many blocks of slabs it was last to be filled with; 0: none since it was prepared.
            internal short Filled;

            private ulong _belowFirst;

            internal static int CapacityOf(nuint blockSize)
            {
                int capacity = BlockBytes / (int)blockSize;
                return capacity > MaxCapacity ? MaxCapacity : capacity < MinCapacity ? MinCapacity : capacity;
            }

            // The magazine that a top, not the sentinel's, belongs to.
            internal static Magazine* Of(ulong top) => (Magazine*)(top & ~((ulong)Bytes - 1));

            internal static ulong* Slots(Magazine* magazine) => (ulong*)magazine + HeaderWords;

            // The top of a magazine with so many blocks.
            internal static ulong TopAt(Magazine* magazine, int count) => (ulong)(Slots(magazine) + count);

            // How many blocks lie below a top, which is not the sentinel's.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int CountAt(ulong top) => (int)((ulong*)top - Slots(Of(top)));

            // How many blocks fit into the magazine of such a top.
            internal static int CapacityAt(ulong top) => Of(top)->_capacity;

            // Makes an empty magazine one of some capacity; it had another, or none.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Prepare(Magazine* magazine, int capacity)
            {
                Assert(((ulong)magazine & (Bytes - 1)) == 0 && capacity is >= MinCapacity and <= MaxCapacity);
                ulong* slots = Slots(magazine);
                slots[magazine->_capacity] = 0;
                slots[capacity] = Full;
                magazine->_capacity = (short)capacity;
                magazine->Filled = 0;
                magazine->_belowFirst = 0;
            }

            internal static Magazine* NextOf(Magazine* magazine) => (Magazine*)ClrVolatile.Read(ref magazine->_next);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int DepthOf(Magazine* magazine) => magazine == null ? 0 : ClrVolatile.Read(ref magazine->_depth);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Link(Magazine* magazine, Magazine* next)
            {
                ClrVolatile.Write(ref magazine->_next, (nint)next);
                ClrVolatile.Write(ref magazine->_depth, DepthOf(next) + 1);
            }
        }

        // A lock-free stack of magazines (Treiber, "Systems Programming: Coping with Parallelism", 1986). Its head is an address and a tag
        // in one word; the tag changes with every pop and push, so that a thread that was held up does not take an old head for the present
        // one.
        internal struct MagazineStack
        {
            // A user address has 47 bits, and a magazine's lowest ten are 0.
            private const int AddressBits = 47 - Magazine.BytesLog2;

            private const ulong AddressMask = (1UL << AddressBits) - 1;

            private long _head;

            // A number that changes with each push and pop.
            internal readonly long Fingerprint => ClrVolatile.Read(in _head);

            // How many magazines it has; about, if others change it meanwhile.
            internal readonly int Depth
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => Magazine.DepthOf(AddressIn(ClrVolatile.Read(in _head)));
            }

            internal void Push(Magazine* magazine)
            {
                while (true)
                {
                    long head = ClrVolatile.Read(ref _head);
                    Magazine.Link(magazine, AddressIn(head));
                    if (ClrInterlocked.CompareExchange(ref _head, Head(magazine, head), head) == head)
                        return;
                }
            }

            // Takes the magazine pushed last, or returns null.
            internal Magazine* TryPop()
            {
                while (true)
                {
                    long head = ClrVolatile.Read(ref _head);
                    Magazine* magazine = AddressIn(head);
                    if (magazine == null)
                        return null;

                    // It may be popped and in use by now: then this is no link, and the exchange fails.
                    Magazine* next = Magazine.NextOf(magazine);
                    if (ClrInterlocked.CompareExchange(ref _head, Head(next, head), head) == head)
                        return magazine;
                }
            }

            // Takes all magazines, linked to one another; null if there are none.
            internal Magazine* TakeAll()
            {
                while (true)
                {
                    long head = ClrVolatile.Read(ref _head);
                    if (ClrInterlocked.CompareExchange(ref _head, Head(null, head), head) == head)
                        return AddressIn(head);
                }
            }

            private static Magazine* AddressIn(long head) =>
                (Magazine*)((unchecked((ulong)head) & AddressMask) << Magazine.BytesLog2);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static long Head(Magazine* magazine, long previous) =>
                unchecked((long)(
                    ((((ulong)previous >> AddressBits) + 1) << AddressBits)
                    | (((ulong)magazine >> Magazine.BytesLog2) & AddressMask)));
        }
    }
}
