namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Which slabs a bin has, and on which lists they stand.
        internal partial struct Bin
        {
            // Takes the idle slab that begins at a page out of its bin for the segment manager, which holds its lock: against the lock
            // order, so this only tries. False: it is in use, or its bin is busy.
            internal static bool TryEvict(Segment* segment, int page)
            {
                Slab* slab = Slab.At(segment, page);
                return Of(slab->Span.Class)->TryEvict(segment, slab);
            }

            private bool TryEvict(Segment* segment, Slab* slab)
            {
                if (!_lock.TryAcquire())
                    return false;

                segment->UnmarkIdle(Slab.PagesOf(slab));
                bool idle = slab->IsEmpty;
                if (idle)
                {
                    Unlink(slab);
                    _slabPages -= slab->Span.PageCount;
                    // Under this bin's lock: a second free of one of its blocks must not find the class and then an unmapped segment.
                    PageMap.Set(Slab.AddressOf(slab), (nuint)slab->Span.PageCount << Segment.PageShift, PageMap.None, PageMap.None);
                }

                _lock.Release();
                return idle;
            }

            // Gives the pages of an idle slab back to its segment.
            // Returns: the segment, in which nothing may live any more; null if no slab was idle.
            internal Segment* ReleaseIdleSlab()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
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

            // Forgets every slab: their memory is gone.
            internal void Reset()
            {
                ForgetSlabs();
                _live = 0;
            }

            // Finds the bin's slabs again after a thread died while it changed them: every page with the bin's class belongs to a whole
            // slab, whose bitmap says what is free. Lost are blocks that the thread had taken, and pages that were to become a slab or were
            // one no more.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Recover()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                ForgetSlabs();
                long live = 0;
                SlotWalk walk = Space->Walk();
                for (nuint segment = walk.Next(SlotKind.Segment); segment != 0; segment = walk.Next(SlotKind.Segment))
                {
                    for (int page = 1; page < Segment.PageCount; page++)
                    {
                        // The segment may be going away, unless there is a slab in it: that cannot go without this bin's lock.
                        if (PageMap.ClassOf(Segment.AddressOf((Segment*)segment, page)) != _class)
                            continue;

                        Slab* slab = Slab.At((Segment*)segment, page);
                        if (slab->Span.HeadPage != page)
                            continue;

                        Slab.Recount(slab);
                        _slabPages += slab->Span.PageCount;
                        live += slab->Capacity - slab->FreeCount;
                        if (slab->FreeCount != 0)
                            Link(slab);
                        if (slab->IsEmpty)
                            ((Segment*)segment)->MarkIdle(Slab.PagesOf(slab));
                    }
                }

                ClrVolatile.Write(ref _live, live);
            }

            // Puts a slab that some block of was freed where it belongs now.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private PointerCheck HasFreed(Slab* slab, bool wasFull)
            {
                if (wasFull)
                    Link(slab);
                return slab->IsEmpty ? Retire(slab) : PointerCheck.Valid;
            }

            // Keeps a slab that has become empty as the idle one if it is alone on all lists, or gives its pages back.
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

                return holdsNothing && !Segments->IsReserve(segment) ? PointerCheck.ValidAndLast : PointerCheck.Valid;
            }

            // Finds a slab with a free block for the list of a home, which is empty; null: no memory is to be had.
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
                int pages = Policy.HasScarceSlabs ? _pagesPerScarceSlab : _pagesPerSlab;
                PageRun run = Segments->AllocateSlab(pages, mayMap);
                // One page has room for two blocks of any class, and may be all that is left.
                if (run.IsNone && mayMap && pages > 1 && Policy.HasScarceSlabs)
                {
                    pages = 1;
                    run = Segments->AllocateSlab(pages, mayMap);
                }

                if (run.IsNone)
                    return null;

                Slab* slab = Slab.Initialize(run, _class, (int)BlockSize, pages);
                slab->Home = unchecked((byte)home);
                PageMap.Set(run.Address, (nuint)pages << Segment.PageShift, _class, _class);
                _slabPages += pages;
                Link(slab);
                return slab;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private bool Remove(Slab* slab)
            {
                Segment.Of((nuint)slab)->UnmarkIdle(Slab.PagesOf(slab));
                Unlink(slab);
                _slabPages -= slab->Span.PageCount;
                return Segments->FreeSlab(Segment.Of((nuint)slab), slab->Span.HeadPage, slab->Span.PageCount);
            }

            private void ForgetSlabs()
            {
                for (int list = 0; list < Lists; list++)
                    *ListOf(list) = null;
                _slabPages = 0;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private Slab** ListOf(int home)
            {
                // The bin does not move.
                return (Slab**)ClrUnsafe.AsPointer(ref _first) + (home & (Lists - 1));
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Link(Slab* slab)
            {
                Slab** list = ListOf(slab->Home);
                slab->Next = *list;
                slab->Previous = null;
                if (*list != null)
                    (*list)->Previous = slab;
                *list = slab;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
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
