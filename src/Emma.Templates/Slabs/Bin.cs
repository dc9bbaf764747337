namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

// Slabs: blocks of up to 32 KiB.
//
// Basic design
//   SizeClasses says which sizes there are. A Bin serves one of them from slabs: runs of pages cut into blocks of that size
//   (Slab). Its lists hold the slabs with free blocks; a full slab is on no list and comes back with the first block freed.
//   There are a few lists, and a thread takes from one of them, its home. Two threads that took from one slab in turn would get blocks side by side,
//   and each would take cache lines from the other, even those that the processor fetched ahead. Only before a segment is mapped a slab
//   of another list changes homes.
//   An empty slab's pages go back to the segments, where any class may use them, but for one: an empty slab that is the
//   last on its bin's lists stays there, idle, so that a single block allocated and freed in turn does not make and unmake a slab
//   each time. Idle pages are marked in their segment, which takes them back when nothing else lives in it.
//
// Invariants
//   * A slab is on the list of its home if, and only if, it has a free block.
//   * A slab that is empty and on a list is marked idle; at most one of a bin is, unless a thread died while it held the bin's lock. The mark outlasts the next allocation, because marking is
//     dear: whoever finds a marked slab in use, with its bin's lock held, takes the mark off.
//   * The bin's lock covers its lists and everything of its slabs but the segment's masks.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>What became of a pointer that was to be a block.</summary>
        internal enum PointerCheck
        {
            Valid,

            /// <summary>Valid, and its segment may hold nothing now: the caller lets the segment manager look.</summary>
            ValidAndLast,

            AlreadyFree,
            NotABlock,
        }

        /// <summary>The blocks of one size class. As large as a cache line, so that bins do not slow each other down.</summary>
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = 64)]
        internal struct Bin
        {
            private const int Lists = SmallBlocks.Homes;

            private Lock _lock;
            private byte _class;
            private byte _pagesPerSlab;
            private int _slabCount;
            private long _live;
            private Slab* _first;
            private Slab* _second;
            private Slab* _third;
            private Slab* _fourth;

            /// <summary>Blocks that are allocated.</summary>
            internal readonly long Live => ClrVolatile.Read(in _live);

            private readonly nuint BlockSize => SizeClasses.SizeOf(_class);

            internal void Initialize(int sizeClass)
            {
                _class = (byte)sizeClass;
                _pagesPerSlab = (byte)SizeClasses.PagesPerSlab(BlockSize);
            }

            /// <summary>Allocates a block, or returns 0 if no memory is to be had.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            internal nuint Allocate()
            {
                Enter();
                Slab* slab = _first;
                if (slab == null)
                    slab = FindSlab(home: 0, mayMap: true);

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

            /// <summary>Allocates blocks for a magazine, the lowest last, so that it is the first to be handed out. Makes at most one slab.</summary>
            /// <param name="blocks">Receives their addresses.</param>
            /// <param name="count">How many are wanted.</param>
            /// <param name="home">Any number: which list they come from.</param>
            /// <param name="mayMap">Whether a segment is mapped if no block is to be had otherwise.</param>
            /// <returns>How many there are; 0: no memory is to be had.</returns>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            internal int AllocateMany(ulong* blocks, int count, int home, bool mayMap)
            {
                int taken = 0;
                Enter();
                while (taken < count)
                {
                    Slab* slab = *ListOf(home);
                    if (slab == null && taken == 0)
                        slab = FindSlab(home, mayMap);
                    if (slab == null)
                        break;

                    taken += Slab.TakeMany(slab, blocks + taken, count - taken);
                    if (slab->FreeCount == 0)
                        Unlink(slab);
                }

                ClrVolatile.Write(ref _live, _live + taken);
                _lock.Release();
                for (int low = 0, high = taken - 1; low < high; low++, high--)
                    (blocks[low], blocks[high]) = (blocks[high], blocks[low]);
                return taken;
            }

            /// <summary>Frees the blocks of a magazine, which the caller owns. The caller holds no lock but, perhaps, that of giving back.</summary>
            /// <param name="blocks">Their addresses.</param>
            /// <param name="count">How many.</param>
            /// <param name="givingIsHeld">Whether the caller holds the lock of giving back.</param>
            /// <returns>Bytes of segments that were unmapped.</returns>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
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
                        unmapped += HeapState.Root->Segments.ReleaseIfEmpty(emptied, givingIsHeld);
                }

                return unmapped;
            }

            /// <summary>Frees a block of this bin's class; an address that is none, or that is free, changes nothing.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            internal PointerCheck Free(nuint address)
            {
                Enter();
                PointerCheck result = FreeLocked(address);
                _lock.Release();
                return result;
            }

            /// <summary>Whether a live block begins at an address in a page of this bin's class.</summary>
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

            /// <summary>Takes an idle slab out for the segment manager, which holds its lock: against the lock order, so this only tries.</summary>
            internal bool TryEvict(Slab* slab)
            {
                if (!_lock.TryAcquire())
                    return false;

                Segment.Of((nuint)slab)->UnmarkIdle(Slab.PagesOf(slab));
                bool idle = slab->IsEmpty;
                if (idle)
                {
                    Unlink(slab);
                    _slabCount--;
                    // Under this bin's lock: a second free of one of its blocks must not find the class and then an unmapped segment.
                    PageMap.Set(Slab.AddressOf(slab), (nuint)slab->PageCount << Segment.PageShift, PageMap.None, PageMap.None);
                }

                _lock.Release();
                return idle;
            }

            /// <summary>Gives the pages of an idle slab back to its segment.</summary>
            /// <returns>The segment, in which nothing may live any more; null if no slab was idle.</returns>
            internal Segment* ReleaseIdleSlab()
            {
                Segment* segment = null;
                Enter();
                Slab* slab = null;
                for (int list = 0; list < Lists && slab == null; list++)
                {
                    slab = *ListOf(list);
                    while (slab != null && !slab->IsEmpty)
                        slab = slab->Next;
                }

                if (slab != null)
                {
                    segment = Segment.Of((nuint)slab);
                    Remove(slab);
                }

                _lock.Release();
                return segment;
            }

            /// <summary>Adds what the bin's slabs hold to a count.</summary>
            internal void AddTo(ref HeapCount count)
            {
                Enter();
                nuint inUse = (nuint)_live * BlockSize;
                count.InUse += inUse;
                count.Free += ((nuint)_slabCount * _pagesPerSlab << Segment.PageShift) - inUse;
                _lock.Release();
            }

            /// <summary>Forgets every slab: their memory is gone.</summary>
            internal void Reset()
            {
                ForgetSlabs();
                _live = 0;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Enter()
            {
                if (_lock.Acquire())
                    Recover();
            }

            /// <summary>
            /// Finds the bin's slabs again after a thread died while it changed them: every page with the bin's class belongs to a whole slab, whose bitmap says what is free. Lost are
            /// blocks that the thread had taken, and pages that were to become a slab or were one no more.
            /// </summary>
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Recover()
            {
                ForgetSlabs();
                long live = 0;
                SlotWalk walk = HeapState.Root->Space.Walk();
                for (nuint segment = walk.Next(SlotKind.Segment); segment != 0; segment = walk.Next(SlotKind.Segment))
                {
                    for (int page = 1; page < Segment.PageCount; page++)
                    {
                        // The segment may be going away, unless there is a slab in it: that cannot go without this bin's lock.
                        if (PageMap.ClassOf(Segment.AddressOf((Segment*)segment, page)) != _class)
                            continue;

                        Slab* slab = Segment.SlabAt((Segment*)segment, page);
                        if (slab->HeadPage != page)
                            continue;

                        Slab.Recount(slab);
                        _slabCount++;
                        live += slab->Capacity - slab->FreeCount;
                        if (slab->FreeCount != 0)
                            Link(slab);
                        if (slab->IsEmpty)
                            ((Segment*)segment)->MarkIdle(Slab.PagesOf(slab));
                    }
                }

                ClrVolatile.Write(ref _live, live);
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

            /// <summary>Puts a slab that some block of was freed where it belongs now.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private PointerCheck HasFreed(Slab* slab, bool wasFull)
            {
                if (wasFull)
                    Link(slab);
                return slab->IsEmpty ? Retire(slab) : PointerCheck.Valid;
            }

            /// <summary>Keeps a slab that has become empty as the idle one if it is alone on all lists, or gives its pages back.</summary>
            private PointerCheck Retire(Slab* slab)
            {
                bool holdsNothing;
                Segment* segment = Segment.Of((nuint)slab);
                bool isAlone = slab->Next == null;
                for (int list = 0; list < Lists; list++)
                    isAlone &= *ListOf(list) == null || *ListOf(list) == slab;
                if (isAlone)
                {
                    segment->MarkIdle(Slab.PagesOf(slab));
                    // Nobody unmaps the segment: that would need this slab, which needs the lock held here.
                    holdsNothing = segment->HoldsNothing;
                }
                else
                {
                    holdsNothing = Remove(slab);
                }

                return holdsNothing && !HeapState.Root->Segments.IsReserve(segment) ? PointerCheck.ValidAndLast : PointerCheck.Valid;
            }

            /// <summary>Finds a slab with a free block for the list of a home, which is empty; null: no memory is to be had.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private Slab* FindSlab(int home, bool mayMap)
            {
                Slab* slab = AddSlab(home, mayMap: false);
                for (int other = 1; other < Lists && slab == null; other++)
                {
                    slab = *ListOf(home + other);
                    if (slab != null)
                    {
                        Unlink(slab);
                        slab->Home = unchecked((byte)home);
                        Link(slab);
                    }
                }

                return slab == null && mayMap ? AddSlab(home, mayMap: true) : slab;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private Slab* AddSlab(int home, bool mayMap)
            {
                PageRun run = HeapState.Root->Segments.AllocateSlab(_pagesPerSlab, mayMap);
                if (run.IsNone)
                    return null;

                Slab* slab = Slab.Initialize(run, _class, (int)BlockSize, _pagesPerSlab);
                slab->Home = unchecked((byte)home);
                PageMap.Set(run.Address, (nuint)_pagesPerSlab << Segment.PageShift, _class, _class);
                _slabCount++;
                Link(slab);
                return slab;
            }

            private bool Remove(Slab* slab)
            {
                Segment.Of((nuint)slab)->UnmarkIdle(Slab.PagesOf(slab));
                Unlink(slab);
                _slabCount--;
                return HeapState.Root->Segments.FreeSlab(Segment.Of((nuint)slab), slab->HeadPage, slab->PageCount);
            }

            private void ForgetSlabs()
            {
                for (int list = 0; list < Lists; list++)
                    *ListOf(list) = null;
                _slabCount = 0;
            }

            private Slab** ListOf(int home)
            {
                // The bin does not move.
                fixed (Slab** first = &_first)
                    return first + (home & (Lists - 1));
            }

            private void Link(Slab* slab)
            {
                Slab** list = ListOf(slab->Home);
                slab->Next = *list;
                slab->Previous = null;
                if (*list != null)
                    (*list)->Previous = slab;
                *list = slab;
            }

            private void Unlink(Slab* slab)
            {
                if (slab->Previous != null)
                    slab->Previous->Next = slab->Next;
                else
                    *ListOf(slab->Home) = slab->Next;
                if (slab->Next != null)
                    slab->Next->Previous = slab->Previous;
            }
        }
    }
}
