namespace Emma.Templates;

using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    /// <summary>Pages handed out by the segment manager.</summary>
    private readonly struct PageRun
    {
        internal readonly Segment* Segment;
        internal readonly int Page;

        /// <summary>Those of the pages, as bits of their segment, that may hold anything but zeros.</summary>
        internal readonly ulong Dirty;

        internal PageRun(Segment* segment, int page, ulong dirty)
        {
            Segment = segment;
            Page = page;
            Dirty = dirty;
        }

        internal bool IsNone => Segment == null;

        internal nuint Address => (nuint)Segment + ((nuint)Page << Window.PageShift);
    }

    /// <summary>
    /// The segments of a heap: hands out runs of pages and takes them back. Segments with free pages stand on lists by the length
    /// of their longest run, so that a fitting one is found at once, and fuller ones are used first, so that others can empty.
    /// </summary>
    /// <remarks>
    /// Invariants: a segment is on the list of its longest run, on none if it has no free page; of the segments in which nothing lives,
    /// one, the reserve, stays mapped. Another may, where two threads empty segments at once or a bin is busy, until it is used and emptied again or
    /// Trim comes by. All under the manager's lock.
    /// </remarks>
    private struct SegmentManager
    {
        private const int Lists = 6;

        /// <summary>How many segments of a list that may fit are looked at, as long as a new one can be mapped instead.</summary>
        private const int Glances = 8;

        /// <summary>
        /// While a heap is smaller than this, huge pages are kept off its segments: one touched byte would cost 2 MiB.
        /// </summary>
        private const nuint HugePagesFrom = (nuint)64 << 20;

        private Lock _lock;
        private int _count;
        private nint _reserve;
        private fixed ulong _heads[Lists];
        private long _runPages;

        /// <summary>Segments mapped now.</summary>
        internal readonly int Count => ClrVolatile.Read(in _count);

        /// <summary>Whether a segment is the one kept although nothing lives in it.</summary>
        internal readonly bool IsReserve(Segment* segment) => ClrVolatile.Read(in _reserve) == (nint)segment;

        /// <summary>Hands out pages for a slab; maps a segment if none has room.</summary>
        internal PageRun AllocateSlab(int count) => Allocate(count, 1, 0);

        /// <summary>Hands out pages for a block of their own.</summary>
        /// <param name="count">Pages.</param>
        /// <param name="alignment">Pages; a power of two.</param>
        internal PageRun AllocateRun(int count, int alignment) => Allocate(count, alignment, count);

        private PageRun Allocate(int count, int alignment, int runPages)
        {
            PageRun run = default;
            _lock.Acquire();
            Segment* segment = FindFitting(count, alignment, Glances);
            if (segment == null)
                segment = MapSegment();
            if (segment == null)
                segment = FindFitting(count, alignment, int.MaxValue);
            if (segment != null)
            {
                run = Take(segment, Segment.FindRun(segment->FreePages, count, alignment), count);
                _runPages += runPages;
            }

            _lock.Release();
            return run;
        }

        /// <summary>Takes the pages behind a run, if they are free.</summary>
        internal bool TryExtendRun(Segment* segment, int page, int count, int newCount)
        {
            if (page + newCount > Segment.PageCount)
                return false;

            ulong added = Segment.MaskOf(page + count, newCount - count);
            _lock.Acquire();
            bool free = (segment->FreePages & added) == added;
            if (free)
            {
                Take(segment, page + count, newCount - count);
                Segment.SlabAt(segment, page)->PageCount = (byte)newCount;
                _runPages += newCount - count;
            }

            _lock.Release();
            if (free)
                PageMap.Set(Segment.AddressOf(segment, page), (nuint)newCount << Segment.PageShift, PageMap.Run, PageMap.RunTail);
            return free;
        }

        /// <summary>Gives back the last pages of a run.</summary>
        internal void ShrinkRun(Segment* segment, int page, int count, int newCount)
        {
            _lock.Acquire();
            Segment.SlabAt(segment, page)->PageCount = (byte)newCount;
            _runPages -= count - newCount;
            GivePages(segment, page + newCount, count - newCount);
            _lock.Release();
        }

        /// <summary>Takes back a page run, and unmaps its segment if nothing lives there any more. False: no run begins there any more.</summary>
        internal bool TryFreeRun(nuint address)
        {
            Segment* segment = Segment.Of(address);
            bool holdsNothing = false;
            _lock.Acquire();
            // Of two threads that free the same run, the second comes here after the first.
            bool live = PageMap.ClassOf(address) == PageMap.Run;
            if (live)
            {
                int page = Segment.PageOf(address);
                int count = Segment.SlabAt(segment, page)->PageCount;
                _runPages -= count;
                GivePages(segment, page, count);
                holdsNothing = segment->HoldsNothing && !IsReserve(segment);
            }

            _lock.Release();
            if (holdsNothing)
                ReleaseIfEmpty(segment);
            return live;
        }

        /// <summary>Takes back a slab's pages.</summary>
        /// <returns>Whether nothing lives in the segment any more: the caller calls ReleaseIfEmpty once it holds no lock.</returns>
        internal bool FreeSlab(Segment* segment, int page, int count)
        {
            _lock.Acquire();
            GivePages(segment, page, count);
            bool holdsNothing = segment->HoldsNothing;
            _lock.Release();
            return holdsNothing;
        }

        /// <summary>
        /// Unmaps a segment in which nothing lives, unless it may become the reserve. No lock is held; the segment may be gone already.
        /// </summary>
        internal void ReleaseIfEmpty(Segment* segment)
        {
            HeapState.Root->Giving.Acquire();
            Release(segment, keepReserve: true);
            HeapState.Root->Giving.Release();
        }

        /// <summary>Unmaps every segment in which nothing lives. The caller holds the lock of giving back.</summary>
        /// <returns>Bytes unmapped.</returns>
        internal nuint ReleaseAllEmpty()
        {
            nuint given = 0;
            SlotWalk walk = HeapState.Root->Space.Walk();
            for (nuint segment = walk.Next(SlotKind.Segment); segment != 0; segment = walk.Next(SlotKind.Segment))
                given += Release((Segment*)segment, keepReserve: false);
            return given;
        }

        /// <summary>
        /// Unmaps a segment in which nothing lives; it may be gone already. The caller holds the lock of giving back and no other.
        /// </summary>
        /// <param name="segment">The segment.</param>
        /// <param name="keepReserve">Whether it may become the reserve instead.</param>
        /// <returns>Bytes unmapped.</returns>
        internal nuint Release(Segment* segment, bool keepReserve)
        {
            Assert(HeapState.Root->Giving.IsHeld);
            nuint address = (nuint)segment;
            bool empty = false;
            _lock.Acquire();
            // Whoever unmaps a segment takes it out under this lock first, so that what is still a segment here may be read.
            if (HeapState.Root->Space.KindAt(address) == SlotKind.Segment && segment->HoldsNothing)
            {
                if (keepReserve && !HasOtherReserve(segment))
                {
                    ClrVolatile.Write(ref _reserve, (nint)segment);
                }
                else
                {
                    EvictIdleSlabs(segment);
                    empty = segment->FreePages == Segment.AllPages;
                    if (empty)
                        Remove(segment);
                }
            }

            _lock.Release();
            return empty ? HeapState.Root->Space.Unmap(address, Segment.Size) : 0;
        }

        /// <summary>
        /// Gives the kernel what is free in a segment: the whole of it if nothing lives there, else the free pages that may be dirty. These are
        /// taken out of use first and discarded without the manager's lock; whoever misses them waits for the lock of giving back.
        /// </summary>
        /// <returns>Bytes unmapped or discarded.</returns>
        internal nuint Trim(Segment* segment)
        {
            HeapState.Root->Giving.Acquire();
            nuint given = Release(segment, keepReserve: false);
            if (given == 0)
            {
                given = Discard(segment);
                // While pages were taken out, other threads may have freed the rest.
                given += Release(segment, keepReserve: false);
            }

            HeapState.Root->Giving.Release();
            return given;
        }

        private nuint Discard(Segment* segment)
        {
            Assert(HeapState.Root->Giving.IsHeld);
            ulong pages = 0;
            _lock.Acquire();
            if (HeapState.Root->Space.KindAt((nuint)segment) == SlotKind.Segment)
            {
                pages = segment->FreePages & segment->DirtyPages;
                segment->FreePages &= ~pages;
                Relist(segment);
            }

            _lock.Release();
            if (pages == 0)
                return 0;

            ulong clean = 0;
            nuint discarded = 0;
            for (ulong rest = pages; rest != 0;)
            {
                int page = (int)ulong.TrailingZeroCount(rest);
                int count = (int)ulong.TrailingZeroCount(~(rest >> page));
                ulong mask = Segment.MaskOf(page, count);
                rest &= ~mask;
                nuint length = (nuint)count << Segment.PageShift;
                if (Syscalls.Madvise(Segment.AddressOf(segment, page), length, Syscalls.MadvDontNeed) == 0)
                {
                    clean |= mask;
                    discarded += length;
                }
            }

            _lock.Acquire();
            segment->DirtyPages &= ~clean;
            Give(segment, pages);
            _lock.Release();
            return discarded;
        }

        /// <summary>The pages of the run that begins at an address; 0: none does any more.</summary>
        internal int PagesOfRun(nuint address)
        {
            _lock.Acquire();
            int pages = PageMap.ClassOf(address) == PageMap.Run
                ? Segment.SlabAt(Segment.Of(address), Segment.PageOf(address))->PageCount
                : 0;
            _lock.Release();
            return pages;
        }

        /// <summary>Forgets every segment: their memory is gone.</summary>
        internal void Reset()
        {
            _count = 0;
            _reserve = 0;
            _runPages = 0;
            for (int i = 0; i < Lists; i++)
                _heads[i] = 0;
        }

        /// <summary>Adds what the segments hold to a count: bytes of headers, of free pages and of page runs.</summary>
        internal void AddTo(ref HeapCount count)
        {
            _lock.Acquire();
            count.Segments = _count;
            count.Header += (nuint)_count * Segment.PageSize;
            count.InUse += (nuint)_runPages << Segment.PageShift;
            SlotWalk walk = HeapState.Root->Space.Walk();
            for (nuint address = walk.Next(SlotKind.Segment); address != 0; address = walk.Next(SlotKind.Segment))
                count.Free += (nuint)ulong.PopCount(((Segment*)address)->FreePages) << Segment.PageShift;
            _lock.Release();
        }

        /// <summary>A segment with room for some pages, the fullest first; null if none is seen among so many of each list.</summary>
        private Segment* FindFitting(int count, int alignment, int glancesPerList)
        {
            int sure = (int)uint.Log2((uint)(count * 2 - 1));
            for (int list = (int)uint.Log2((uint)count); list < Lists; list++)
            {
                int glances = glancesPerList;
                for (Segment* segment = (Segment*)_heads[list]; segment != null; segment = segment->Next)
                {
                    if ((list >= sure && alignment == 1) || Segment.FindRun(segment->FreePages, count, alignment) >= 0)
                        return segment;
                    if (--glances == 0)
                        break;
                }
            }

            return null;
        }

        /// <summary>Whether the reserve is another segment than one that holds nothing, and holds nothing itself.</summary>
        private bool HasOtherReserve(Segment* segment)
        {
            Segment* reserve = (Segment*)_reserve;
            if (reserve == null || reserve == segment || !reserve->HoldsNothing)
                return false;

            // Its marks may be stale: a reserve that came into use does not say so.
            EvictIdleSlabs(reserve);
            return reserve->FreePages == Segment.AllPages;
        }

        private Segment* MapSegment()
        {
            ref AddressSpace space = ref HeapState.Root->Space;
            // Busy until the header stands: a walk over the segments must not read it before.
            nuint address = space.Map(Segment.Size, Segment.Size, SlotKind.Busy);
            if (address == 0)
                return null;

            if (space.Mapped < HugePagesFrom)
                Syscalls.Madvise(address, Segment.Size, Syscalls.MadvNoHugePage);

            Segment* segment = (Segment*)address;
            segment->FreePages = Segment.AllPages;
            segment->List = -1;
            space.Publish(address, Segment.Size, SlotKind.Segment);
            _count++;
            Relist(segment);
            return segment;
        }

        private PageRun Take(Segment* segment, int page, int count)
        {
            ulong mask = Segment.MaskOf(page, count);
            Assert(page > 0 && (segment->FreePages & mask) == mask);
            PageRun run = new PageRun(segment, page, segment->DirtyPages & mask);
            ClrVolatile.Write(ref segment->FreePages, segment->FreePages & ~mask);
            segment->DirtyPages |= mask;
            Relist(segment);
            return run;
        }

        /// <summary>Frees pages that a slab or a run is done with.</summary>
        private void GivePages(Segment* segment, int page, int count)
        {
            PageMap.Set(Segment.AddressOf(segment, page), (nuint)count << Segment.PageShift, PageMap.None, PageMap.None);
            Give(segment, Segment.MaskOf(page, count));
        }

        private void Give(Segment* segment, ulong pages)
        {
            Assert((segment->FreePages & pages) == 0 && (pages & 1) == 0);
            ClrVolatile.Write(ref segment->FreePages, segment->FreePages | pages);
            Relist(segment);
        }

        /// <summary>Takes a segment with no live page out for unmapping.</summary>
        private void Remove(Segment* segment)
        {
            if (_reserve == (nint)segment)
                ClrVolatile.Write(ref _reserve, 0);
            Unlink(segment);
            _count--;
            nuint owned = HeapState.Root->Space.TryOwn((nuint)segment, SlotKind.Segment);
            Assert(owned == Segment.Size);
        }

        /// <summary>Takes the empty slabs of a segment from their bins. A bin that is busy right now keeps its slab.</summary>
        private void EvictIdleSlabs(Segment* segment)
        {
            ulong idle = ClrVolatile.Read(ref segment->IdlePages);
            while (idle != 0)
            {
                int page = (int)ulong.TrailingZeroCount(idle);
                Slab* slab = Segment.SlabAt(segment, page);
                int count = slab->PageCount;
                idle &= ~Segment.MaskOf(page, count);
                if (!HeapState.BinOf(slab->Class)->TryEvict(slab))
                    continue;

                GivePages(segment, page, count);
            }
        }

        private void Relist(Segment* segment)
        {
            int list = Segment.LongestRunLog2(segment->FreePages);
            if (list == segment->List)
                return;

            Unlink(segment);
            if (list < 0)
                return;

            Segment* head = (Segment*)_heads[list];
            segment->Next = head;
            segment->Previous = null;
            if (head != null)
                head->Previous = segment;
            _heads[list] = (ulong)segment;
            segment->List = list;
        }

        private void Unlink(Segment* segment)
        {
            if (segment->List < 0)
                return;

            if (segment->Previous != null)
                segment->Previous->Next = segment->Next;
            else
                _heads[segment->List] = (ulong)segment->Next;
            if (segment->Next != null)
                segment->Next->Previous = segment->Previous;
            segment->List = -1;
        }
    }
}
