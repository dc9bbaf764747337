namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

// Slabs: blocks of up to 32 KiB.
//
// Basic design
//   SizeClasses says which sizes there are. A Bin serves one of them from slabs: runs of pages cut into blocks of that size (Slab). Its
//   lists hold the slabs with free blocks; a full slab is on no list and comes back with the first block freed. There are a few lists, and
//   a thread takes from one of them, its home. Two threads that took from one slab in turn would get blocks side by side, and each would
//   take cache lines from the other, even those that the processor fetched ahead. Only before a segment is mapped a slab of another list
//   changes homes. An empty slab's pages go back to the segments, where any class may use them, but for one: an empty slab that is the last
//   on its bin's lists stays there, idle, so that a single block allocated and freed in turn does not make and unmake a slab each time.
//   Idle pages are marked in their segment, which takes them back when nothing else lives in it.
//
// Invariants
//   * A slab is on the list of its home if, and only if, it has a free block.
//   * A slab that is empty and on a list is marked idle; at most one of a bin is, unless a thread died while it held the bin's lock. The
//     mark outlasts the next allocation, because marking is dear: whoever finds a marked slab in use, with its bin's lock held, takes the
//     mark off.
//   * The bin's lock covers its lists and everything of its slabs but the segment's masks.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What became of a pointer that was to be a block.
        internal enum PointerCheck
        {
            Valid,

            // Valid, and its segment may hold nothing now: the caller lets the segment manager look.
            ValidAndLast,

            AlreadyFree,
            NotABlock,
        }

        // The blocks of one size class. As large as a cache line, so that bins do not slow each other down.
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = Root.CacheLine)]
        internal partial struct Bin
        {
            private const int Lists = Policy.MaxHomes;

            private Lock _lock;
            private byte _class;
            private byte _pagesPerSlab;
            private byte _pagesPerScarceSlab;
            private int _slabPages;
            private long _live;
            private nint _first;
            private nint _second;
            private nint _third;
            private nint _fourth;

            // Blocks that are allocated.
            internal readonly long Live => ClrVolatile.Read(in _live);

            // The bytes of its slabs, and of the blocks in them that are allocated; read without the lock.
            internal readonly long SlabBytes => (long)ClrVolatile.Read(in _slabPages) << Segment.PageShift;

            internal readonly long LiveBytes => Live * (long)BlockSize;

            private readonly nuint BlockSize => SizeClasses.SizeOf(_class);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static Bin* Of(int sizeClass) => (Bin*)Bins + (sizeClass - 1);

            internal void Initialize(int sizeClass)
            {
                _class = (byte)sizeClass;
                _pagesPerSlab = (byte)SizeClasses.PagesPerSlab(BlockSize);
                _pagesPerScarceSlab = (byte)SizeClasses.PagesPerScarceSlab(BlockSize);
            }

            // Allocates a block, or returns 0 if no memory is to be had.
            // mayAdd: Whether pages may become a slab if no block is free.
            internal nuint Allocate(bool mayAdd = true)
            {
                Enter();
                Slab* slab = *ListOf(0);
                if (slab == null && mayAdd)
                    slab = FindSlab(home: 0, mayMap: true);
                for (int list = 1; list < Lists && slab == null; list++)
                    slab = *ListOf(list);

                nuint block = 0;
                if (slab != null)
                {
                    block = Slab.Take(slab);
                    ClrVolatile.Write(ref _live, _live + 1);
                    if (slab->FreeCount == 0)
                        Unlink(slab);
                }

                _lock.Release();
                return block;
            }

            // Allocates blocks for a magazine, the lowest last, so that it is the first to be handed out. Makes at most one slab.
            // blocks: Receives their addresses.
            // count: How many are wanted.
            // home: Any number: which list they come from.
            // mayMap: Whether a segment is mapped if no block is to be had otherwise.
            // Returns: how many there are; 0: no memory is to be had.
            internal int AllocateMany(ulong* blocks, int count, int home, bool mayMap)
            {
                home &= Policy.Homes - 1;
                ulong* next = blocks;
                ulong* end = blocks + count;
                Enter();
                Slab* slab = *ListOf(home);
                if (slab == null)
                    slab = FindSlab(home, mayMap);
                while (slab != null && next < end)
                {
                    next = Slab.TakeMany(slab, next, end);
                    if (slab->FreeCount == 0)
                        Unlink(slab);
                    slab = *ListOf(home);
                }

                int taken = (int)(next - blocks);
                ClrVolatile.Write(ref _live, _live + taken);
                _lock.Release();
                for (int low = 0, high = taken - 1; low < high; low++, high--)
                    (blocks[low], blocks[high]) = (blocks[high], blocks[low]);
                return taken;
            }

            // Frees the blocks of a magazine, which the caller owns. The caller holds no lock but, perhaps, that of giving back.
            // blocks: Their addresses.
            // count: How many.
            // givingIsHeld: Whether the caller holds the lock of giving back.
            // Returns: bytes of segments that were unmapped.
            internal nuint FreeMany(ulong* blocks, int count, bool givingIsHeld)
            {
                nuint unmapped = 0;
                while (count > 0)
                {
                    Segment* emptied = null;
                    Enter();
                    while (count > 0 && emptied == null)
                    {
                        nuint block = (nuint)blocks[count - 1];
                        if (ChecksBoundaries && PageMap.ClassOf(block) != _class)
                        {
                            count--;
                            continue;
                        }

                        Slab* slab = Slab.Of(block);
                        bool wasFull = slab->FreeCount == 0;
                        int given = Slab.GiveMany(slab, blocks, ref count);
                        ClrVolatile.Write(ref _live, _live - given);
                        if (given != 0 && HasFreed(slab, wasFull) == PointerCheck.ValidAndLast)
                            emptied = Segment.Of((nuint)slab);
                    }

                    _lock.Release();
                    if (emptied != null)
                        unmapped += Segments->ReleaseIfEmpty(emptied, givingIsHeld);
                }

                return unmapped;
            }

            // Frees a block of this bin's class; an address that is none, or that is free, changes nothing.
            internal PointerCheck Free(nuint address)
            {
                Enter();
                PointerCheck result = FreeLocked(address);
                _lock.Release();
                return result;
            }

            // Whether a live block begins at an address in a page of this bin's class.
            internal PointerCheck Examine(nuint address)
            {
                Enter();
                PointerCheck result = PointerCheck.NotABlock;
                // The page may have changed hands before the lock was taken.
                if (PageMap.ClassOf(address) == _class)
                {
                    Slab* slab = Slab.Of(address);
                    if (Slab.IsBlockStart(slab, address))
                        result = Slab.IsFree(slab, Slab.IndexOf(slab, address)) ? PointerCheck.AlreadyFree : PointerCheck.Valid;
                }

                _lock.Release();
                return result;
            }

            // Adds what the bin's slabs hold to a count.
            internal void AddTo(ref HeapCount count)
            {
                Enter();
                long inUse = _live * (long)BlockSize;
                count.LiveBlocks += _live;
                count.InUse += inUse;
                count.Free += ((long)_slabPages << Segment.PageShift) - inUse;
                _lock.Release();
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Enter()
            {
                if (_lock.AcquireInlined())
                    Recover();
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private PointerCheck FreeLocked(nuint address)
            {
                if (ChecksBoundaries && PageMap.ClassOf(address) != _class)
                    return PointerCheck.NotABlock;

                Slab* slab = Slab.Of(address);
                if (ChecksBoundaries && !Slab.IsBlockStart(slab, address))
                    return PointerCheck.NotABlock;

                bool wasFull = slab->FreeCount == 0;
                if (!Slab.TryGive(slab, Slab.IndexOf(slab, address)))
                    return PointerCheck.AlreadyFree;

                ClrVolatile.Write(ref _live, _live - 1);
                return HasFreed(slab, wasFull);
            }
        }

        // The bins of a heap, one for each size class.
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = SizeClasses.Count * Root.CacheLine)]
        internal struct BinTable
        {
            internal Bin First;

            internal static void Initialize(BinTable* bins)
            {
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    ((Bin*)bins)[sizeClass - 1].Initialize(sizeClass);
            }
        }
    }
}
