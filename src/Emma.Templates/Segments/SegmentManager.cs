namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The segments of a heap: hands out runs of pages and takes them back. Segments with free pages stand on lists by the length of
        // their longest run, so that a fitting one is found at once, and fuller ones are used first, so that others can empty.
        // Invariants: a segment is on the list of its longest run, on none if it has no free page, or if the kernel refused to open its
        // pages, until more are freed; of the segments in which nothing lives, a few, the reserves, stay mapped. Others may, where two
        // threads empty segments at once or a bin is busy, until they are used and emptied again or Trim comes by. All under the manager's
        // lock, but for the runs freed last (FreedRuns).
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = 4 * Root.CacheLine)]
        internal partial struct SegmentManager
        {
            private const int Lists = 6;

            // How many segments of a list that may fit are looked at, as long as a new one can be mapped instead.
            private const int Glances = 8;

            // The same under a limit, where more is mapped only if nothing fits: all the segments of 1 GiB.
            private const int GlancesUnderLimit = 256;

            // While a heap is smaller than this, huge pages are kept off its segments: one touched byte would cost 2 MiB.
            private const nuint HugePagesFrom = (nuint)64 << 20;

            private Lock _lock;
            private int _count;

            // Takes the idle slab at a page out of use, or says that it cannot: the one call to the layer above, which is made when a
            // segment is about to be unmapped.
            private delegate*<Segment*, int, bool> _tryEvict;

            // The first segment of each list, and behind them the reserves.
            private SegmentTable _segments;

            // The segment that was mapped last, which grows until it is whole; null if that is gone.
            private Segment* _growing;

            private long _runPages;
            private long _runs;

            // The runs freed last.
            private FreedRunTable _freedLast;

            // Where the purge goes on, and what it goes by (SegmentPurge).
            private SlotWalk _hand;
            private int _takenPages;
            private int _dirtyFreePages;
            private int _discardedPages;
            private int _sparePages;
            private long _nextTurn;

            // So many dirty pages may be free at any time.
            internal int LeastKeptPages;

            // While so many bytes of pages are in use, or fewer, caches and depots keep what they have.
            internal int LeastUseBytes;

            // The manager does not move.
            private ulong* Table
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (ulong*)ClrUnsafe.AsPointer(ref _segments.First);
            }

            internal static void Initialize(SegmentManager* segments, delegate*<Segment*, int, bool> tryEvict)
            {
                segments->_tryEvict = tryEvict;
                segments->LeastKeptPages = LeastKept;
                segments->LeastUseBytes = LeastUse;
            }

            // Whether a segment is one of those kept although nothing lives in them.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool IsReserve(Segment* segment)
            {
                bool found = false;
                for (int i = Lists; i < Lists + Policy.MaxReserves; i++)
                    found |= ClrVolatile.Read(in Table[i]) == (ulong)segment;
                return found;
            }

            // Hands out pages for a slab.
            // count: Pages.
            // mayMap: Whether a segment is mapped if none has room.
            internal PageRun AllocateSlab(int count, bool mayMap) => Allocate(count, count, 1, 0, mayMap);

            // Hands out pages for a block of their own.
            // count: Pages.
            // alignment: Pages; a power of two.
            // mayMap: Whether a segment is mapped if none has room.
            internal PageRun AllocateRun(int count, int alignment, bool mayMap) => Allocate(count, count, alignment, count, mayMap);

            // The same where so many pages are free, for a block that may grow; of segments that are mapped.
            internal PageRun AllocateRunIn(int room, int count, int alignment) => Allocate(room, count, alignment, count, mayMap: false);

            private PageRun Allocate(int room, int count, int alignment, int runPages, bool mayMap)
            {
                PageRun run = default;
                // Where the kernel may refuse to open a segment's pages, so many segments are tried, at most.
                int attempts = 8;
                int glances = Policy.IsLimited ? GlancesUnderLimit : Glances;
                Enter();
                do
                {
                    Segment* segment = FindFitting(room, alignment, glances);
                    if (segment == null && mayMap)
                        segment = Compilation.Has(CompilationGroups.Sharing) ? FindAnyhow(count, alignment) : MapFirst();
                    if (segment == null)
                        break;

                    run = Take(segment, FindPages(segment, room, alignment), count);
                    if (runPages != 0 && !run.IsNone)
                    {
                        _runPages += runPages;
                        _runs++;
                    }
                }
                while (MayBeRefused && run.IsNone && --attempts > 0);

                _lock.Release();
                return run;
            }

            // Maps pages where none of some segments has room, or looks at all of them.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private Segment* FindAnyhow(int count, int alignment)
            {
                Segment* segment = MapPages(count, alignment);
                // Those that could not be opened before are tried again.
                if (MayBeRefused && segment == null)
                    Recover();
                if (segment == null)
                    segment = FindFitting(count, alignment, int.MaxValue);
                if (segment == null)
                    segment = GrowAny(count, alignment);
                return segment;
            }

            // Takes the pages behind a run, if they are free.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TryExtendRun(Segment* segment, int page, int count, int newCount)
            {
                if (page + newCount > Segment.PageCount)
                    return false;

                ulong added = Segment.MaskOf(page + count, newCount - count);
                Enter();
                bool free = (segment->FreePages & added) == added && TryOpen(segment, page + count, newCount - count);
                if (free)
                {
                    // Before the run has them: should the thread end here, whoever frees it does not take away more than was counted.
                    _runPages += newCount - count;
                    TakeOpened(segment, page + count, newCount - count);
                    Segment.SpanAt(segment, page)->PageCount = (byte)newCount;
                }

                _lock.Release();
                if (free)
                    PageMap.SetRun(Segment.AddressOf(segment, page), newCount);
                return free;
            }

            // Gives back the last pages of a run.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void ShrinkRun(Segment* segment, int page, int count, int newCount)
            {
                Enter();
                // The class first: should the thread end here, it may say less than the descriptor, but never more.
                PageMap.SetRun(Segment.AddressOf(segment, page), newCount);
                Segment.SpanAt(segment, page)->PageCount = (byte)newCount;
                GivePages(segment, page + newCount, count - newCount);
                _runPages -= count - newCount;
                _lock.Release();
            }

            // Takes back a page run, and unmaps its segment if nothing lives there any more. The caller holds no lock but, perhaps, that of
            // giving back.
            // address: The run.
            // givingIsHeld: Whether the caller holds the lock of giving back.
            // unmapped: Has the bytes unmapped added.
            // Returns: false: no run begins there any more.
            internal bool TryFreeRun(nuint address, bool givingIsHeld, ref nuint unmapped)
            {
                if (!PageMap.TryClearRun(address))
                    return false;

                TakeBack(address, givingIsHeld, ref unmapped);
                return true;
            }

            // The same for a run that has no class any more.
            private void TakeBack(nuint address, bool givingIsHeld, ref nuint unmapped)
            {
                Segment* segment = Segment.Of(address);
                int page = Segment.PageOf(address);
                Enter();
                int count = Segment.SpanAt(segment, page)->PageCount;
                GivePages(segment, page, count);
                _runPages -= count;
                _runs--;
                bool isLast = segment->HoldsNothing && !IsReserve(segment);
                _lock.Release();
                if (isLast)
                    unmapped += ReleaseIfEmpty(segment, givingIsHeld);
            }

            // Takes back a slab's pages.
            // Returns: whether nothing lives in the segment any more: the caller calls ReleaseIfEmpty once it holds no lock.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool FreeSlab(Segment* segment, int page, int count)
            {
                Enter();
                GivePages(segment, page, count);
                bool holdsNothing = segment->HoldsNothing;
                _lock.Release();
                return holdsNothing;
            }

            // The pages of the run that begins at an address; 0: none does any more.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal int PagesOfRun(nuint address)
            {
                Enter();
                int pages = PageMap.IsRun(PageMap.ClassOf(address))
                    ? Segment.SpanAt(Segment.Of(address), Segment.PageOf(address))->PageCount
                    : 0;
                _lock.Release();
                return pages;
            }

            // Forgets every segment: their memory is gone.
            internal void Reset()
            {
                ForgetSegments();
                ForgetFreedLast();
                _runPages = 0;
                _runs = 0;
            }

            // Adds what the segments hold to a count: bytes of headers, of free pages and of page runs.
            internal void AddTo(ref HeapCount count)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                Enter();
                count.Segments = _count;
                count.Header += _count * (long)Segment.PageSize;
                count.InUse += _runPages << Segment.PageShift;
                count.LiveBlocks += _runs;
                int taken = 0;
                int dirtyFree = 0;
                SlotWalk walk = Space->Walk();
                for (nuint address = walk.Next(SlotKind.Segment); address != 0; address = walk.Next(SlotKind.Segment))
                {
                    count.Free += (long)ulong.PopCount(((Segment*)address)->FreePages) << Segment.PageShift;
                    AddPages((Segment*)address, ref taken, ref dirtyFree);
                }

                Assert(taken == _takenPages && dirtyFree == _dirtyFreePages);
                CountFreedLast(ref count);
                _lock.Release();
            }

            // Where such pages are free in a segment that has them: dirty ones, if they all are, because they are there already; else the
            // lowest.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static int FindPages(Segment* segment, int count, int alignment)
            {
                int page = Segment.FindRun(segment->FreePages & segment->DirtyPages, count, alignment);
                return page >= 0 ? page : Segment.FindRun(segment->FreePages, count, alignment);
            }

            // A segment with room for some pages, the fullest first; null if none is seen among so many of each list.
            private Segment* FindFitting(int count, int alignment, int glancesPerList)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                int sure = (int)uint.Log2((uint)(count * 2 - 1));
                for (int list = (int)uint.Log2((uint)count); list < Lists; list++)
                {
                    int glances = glancesPerList;
                    for (Segment* segment = (Segment*)Table[list]; segment != null; segment = segment->Next)
                    {
                        if ((list >= sure && alignment == 1) || Segment.FindRun(segment->FreePages, count, alignment) >= 0)
                            return segment;
                        if (--glances == 0)
                            break;
                    }
                }

                return null;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Enter()
            {
                if (_lock.AcquireInlined())
                    Recover();
            }

            private void ForgetSegments()
            {
                _count = 0;
                ResetCounts();
                _growing = null;
                for (int i = 0; i < Lists + Policy.MaxReserves; i++)
                    ClrVolatile.Write(ref Table[i], 0);
            }

            // Makes the lists anew after a thread died while it changed them: a segment's masks are whole at any time. Lost are pages that
            // the thread had taken out of a mask, and a segment that it was mapping or unmapping.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Recover()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                ForgetSegments();
                SlotWalk walk = Space->Walk();
                for (nuint address = walk.Next(SlotKind.Segment); address != 0; address = walk.Next(SlotKind.Segment))
                {
                    _count++;
                    AdoptGrown((Segment*)address);
                    CountIn((Segment*)address);
                    ((Segment*)address)->List = -1;
                    Relist((Segment*)address);
                }
            }

            // Takes free pages out. It may be none: the kernel refuses to open them, and the segment is on no list for a while.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private PageRun Take(Segment* segment, int page, int count)
            {
                if (TryOpen(segment, page, count))
                    return TakeOpened(segment, page, count);

                Unlink(segment);
                return default;
            }

            // Whether the kernel may refuse to open free pages: in a hardened heap, and where pages are committed.
            private static bool MayBeRefused
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => IsHardened || VirtualMemory.CommitsPages;
            }

            // Has free pages ready for use. False: the kernel refuses.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryOpen(Segment* segment, int page, int count) =>
                VirtualMemory.CommitsPages ? TryCommit(segment, page, count) : !IsHardened || Guards.TryOpen(segment, page, count);

            // What is not dirty may not be committed; in a hardened heap, nothing that is free.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryCommit(Segment* segment, int page, int count)
            {
                ulong mask = Segment.MaskOf(page, count);
                return (!IsHardened && (segment->DirtyPages & mask) == mask)
                    || VirtualMemory.TryCommit(Segment.AddressOf(segment, page), ((nuint)count << Segment.PageShift) - Guards.SlabTail);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private PageRun TakeOpened(Segment* segment, int page, int count)
            {
                ulong mask = Segment.MaskOf(page, count);
                PageRun run = new PageRun(segment, page, segment->DirtyPages & mask);
                NoteMissed(mask & ~segment->DirtyPages);
                TakeOut(segment, mask);
                segment->DirtyPages |= mask;
                Relist(segment);
                return run;
            }

            // Frees pages that a slab or a run is done with.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void GivePages(Segment* segment, int page, int count)
            {
                PageMap.Set(Segment.AddressOf(segment, page), (nuint)count << Segment.PageShift, PageMap.None, PageMap.None);
                Guards.Close(segment, page, count);
                Give(segment, Segment.MaskOf(page, count));
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Give(Segment* segment, ulong pages)
            {
                PutBack(segment, pages);
                Relist(segment);
            }

            private void Relist(Segment* segment)
            {
                int list = Segment.LongestRunLog2(segment->FreePages);
                if (list == segment->List)
                    return;

                Unlink(segment);
                if (list < 0)
                    return;

                Segment* head = (Segment*)Table[list];
                segment->Next = head;
                segment->Previous = null;
                if (head != null)
                    head->Previous = segment;
                Table[list] = (ulong)segment;
                segment->List = list;
            }

            private void Unlink(Segment* segment)
            {
                if (segment->List < 0)
                    return;

                if (segment->Previous != null)
                    segment->Previous->Next = segment->Next;
                else
                    Table[segment->List] = (ulong)segment->Next;
                if (segment->Next != null)
                    segment->Next->Previous = segment->Previous;
                segment->List = -1;
            }

            // So many words as an array. A buffer of the language's own costs an assembly 150 bytes more.
            [ClrStructLayout(ClrLayoutKind.Sequential, Size = (Lists + Policy.MaxReserves) * sizeof(ulong))]
            private struct SegmentTable
            {
                internal ulong First;
            }
        }
    }
}
