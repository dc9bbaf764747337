namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How dirty free pages go back to the kernel while the program works: frees that find too many of them see to it, no timer does.
        // Kept are an eighth as many as are in use, a few in any case, and some to spare. What is more goes by the clock algorithm
        // (Corbato, "A Paging Experiment with the Multics System", 1969): a hand goes round over the segments, discards the pages that have
        // been free since it came by last, and notes those that are free now. It turns the faster the more pages are too many.
        // A program whose use rises and falls again and again would have its pages discarded and filled anew each time. So pages that come
        // into use clean soon after as many were discarded are missed: so many more may stay from then on, an eighth less each turn.
        // A slow free moves the hand on, with no lock held, so that it may wait for the compiler.
        // Invariants: _dirtyFreePages is the number of pages that are free and dirty, _takenPages of those that are neither free nor a
        // segment's first, both under the manager's lock; a page that is being discarded counts as taken. AgedPages is a hint: what is
        // discarded is what is free and dirty when it is taken out.
        internal partial struct SegmentManager
        {
            // So many pages, 8 MiB, may be free and dirty in any case.
            internal const int LeastKept = 128;

            internal const int LeastUse = 8 << 20;

            // Of so many pages in use one may be free and dirty.
            private const int KeptShift = 3;

            // The most segments that one free looks at, and the most pages that it discards, but for the rest of a segment: 4 MiB take it
            // some 200 µs, and more than it can have freed.
            private const int MaxLooks = 32;
            private const int MaxPurgedPages = Segment.PageCount;

            // For each so many pages that are too many a free looks at a segment more.
            private const int LooksShift = 5;

            // A turn, which a free ends: pages that are missed after it were not discarded too early. In five seconds three quarters of
            // those to spare are gone; in one, fewer than a program notices that wants them again.
            private const int TurnMilliseconds = 500;
            private const int SpareShift = 3;

            // The bytes of pages that slabs and runs have.
            internal readonly long TakenBytes
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (long)ClrVolatile.Read(in _takenPages) << Segment.PageShift;
            }

            // How many pages are too many, but for those to spare.
            private readonly int ExcessPages
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrVolatile.Read(in _dirtyFreePages)
                    - ClrMath.Max(LeastKeptPages, ClrVolatile.Read(in _takenPages) >> KeptShift);
            }

            private readonly int SurplusPages => ExcessPages - ClrVolatile.Read(in _sparePages);

            // Discards some free pages if there are too many. The caller holds no lock.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void PurgeSurplus()
            {
                if (ExcessPages > 0 && Compilation.TryRequire(CompilationGroups.ForPurge))
                    Purge();
            }

            // The same, unless another thread is just giving something back.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Purge()
            {
                long now = ClrEnvironment.TickCount64;
                bool isNextTurn = now >= ClrVolatile.Read(ref _nextTurn);
                if (!isNextTurn && SurplusPages <= 0)
                    return;
                // Once in a turn also where its owner has died.
                if (!(isNextTurn ? Giving->TryAcquireFromDead() : Giving->TryAcquire()))
                    return;

                if (isNextTurn)
                    BeginTurn(now);
                int looks = ClrMath.Min(1 + (SurplusPages >> LooksShift), MaxLooks);
                int left = MaxPurgedPages;
                while (looks > 0 && left > 0 && SurplusPages > 0)
                {
                    Segment* segment = TakeAged(ref looks, out ulong pages);
                    // Refused, it will be the next time, too.
                    if (pages == 0 || Discard(segment, pages, mayBeMissed: true) == 0)
                        break;

                    left -= (int)ulong.PopCount(pages);
                    // While pages were taken out, other threads may have freed the rest.
                    Segments->Release(segment, keepReserve: true);
                }

                Giving->Release();
            }

            private void BeginTurn(long now)
            {
                ClrVolatile.Write(ref _nextTurn, now + TurnMilliseconds);
                Enter();
                _discardedPages = 0;
                ClrVolatile.Write(ref _sparePages, _sparePages - (_sparePages >> SpareShift));
                _lock.Release();
            }

            // Notes that clean pages are being taken. As many as were discarded in this turn are missed.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void NoteMissed(ulong pages)
            {
                if (pages != 0 && _discardedPages != 0)
                    CountMissed((int)ulong.PopCount(pages));
            }

            // The purge has told the time before, so that this compiles and binds nothing.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void CountMissed(int pages)
            {
                if (ClrEnvironment.TickCount64 >= ClrVolatile.Read(ref _nextTurn))
                    _discardedPages = 0;
                int missed = ClrMath.Min(pages, _discardedPages);
                _discardedPages -= missed;
                ClrVolatile.Write(ref _sparePages, _sparePages + missed);
            }

            // Moves the hand on to a segment that has aged pages, and takes them out.
            // looks: How many segments may be looked at; how many more afterwards.
            // pages: The pages; 0: none were seen.
            // Returns: their segment.
            private Segment* TakeAged(ref int looks, out ulong pages)
            {
                Segment* segment = null;
                pages = 0;
                Enter();
                for (; looks > 0 && pages == 0; looks--)
                {
                    segment = (Segment*)_hand.Next(SlotKind.Segment);
                    if (segment == null)
                    {
                        _hand = Space->Walk();
                        continue;
                    }

                    ulong dirty = segment->FreePages & segment->DirtyPages;
                    pages = dirty & segment->AgedPages;
                    TakeOut(segment, pages);
                    Relist(segment);
                    segment->AgedPages = dirty & ~pages;
                }

                _lock.Release();
                return segment;
            }

            // Gives the kernel the contents of pages that were taken out of their segment, and puts them back. The caller holds the lock of
            // giving back: nobody unmaps the segment, and whoever finds no others waits for it.
            // mayBeMissed: Whether they are discarded because they are too many.
            // Returns: bytes discarded; what the kernel refuses stays as it was.
            private nuint Discard(Segment* segment, ulong pages, bool mayBeMissed)
            {
                Assert(Giving->IsHeld && (segment->FreePages & pages) == 0);
                ulong clean = 0;
                for (ulong rest = pages; rest != 0;)
                {
                    int page = (int)ulong.TrailingZeroCount(rest);
                    int count = (int)ulong.TrailingZeroCount(~(rest >> page));
                    ulong mask = Segment.MaskOf(page, count);
                    rest &= ~mask;
                    if (VirtualMemory.TryDecommit(Segment.AddressOf(segment, page), (nuint)count << Segment.PageShift))
                        clean |= mask;
                }

                Enter();
                segment->DirtyPages &= ~clean;
                if (mayBeMissed)
                    _discardedPages += (int)ulong.PopCount(clean);
                Give(segment, pages);
                _lock.Release();
                return (nuint)ulong.PopCount(clean) << Segment.PageShift;
            }

            // Takes free pages out of those that are. The caller holds the manager's lock, and sees to the segment's list.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void TakeOut(Segment* segment, ulong pages)
            {
                Assert((segment->FreePages & pages) == pages && (pages & 1) == 0);
                ClrVolatile.Write(ref _takenPages, _takenPages + (int)ulong.PopCount(pages));
                AddDirtyFree(-(int)ulong.PopCount(pages & segment->DirtyPages));
                segment->AgedPages &= ~pages;
                ClrVolatile.Write(ref segment->FreePages, segment->FreePages & ~pages);
            }

            // The other way round.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void PutBack(Segment* segment, ulong pages)
            {
                Assert((segment->FreePages & pages) == 0 && (pages & 1) == 0);
                ClrVolatile.Write(ref segment->FreePages, segment->FreePages | pages);
                ClrVolatile.Write(ref _takenPages, _takenPages - (int)ulong.PopCount(pages));
                AddDirtyFree((int)ulong.PopCount(pages & segment->DirtyPages));
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void AddDirtyFree(int pages) => ClrVolatile.Write(ref _dirtyFreePages, _dirtyFreePages + pages);

            // Counts the pages of a segment that was found.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void CountIn(Segment* segment) => AddPages(segment, ref _takenPages, ref _dirtyFreePages);

            // Takes the pages of a segment that goes, all of them free, out of the count.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void CountOut(Segment* segment) =>
                AddDirtyFree(-(int)ulong.PopCount(segment->FreePages & segment->DirtyPages));

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void ResetCounts()
            {
                _takenPages = 0;
                _dirtyFreePages = 0;
                _discardedPages = 0;
                _sparePages = 0;
                _hand = default;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void AddPages(Segment* segment, ref int taken, ref int dirtyFree)
            {
                taken += (int)ulong.PopCount(segment->Pages & ~segment->FreePages);
                dirtyFree += (int)ulong.PopCount(segment->FreePages & segment->DirtyPages);
            }
        }
    }
}
