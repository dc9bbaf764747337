namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How segments and their free pages go back to the kernel. Everything here is called with the lock of giving back held, or takes
        // it; ReleaseIfEmpty alone is for both kinds of callers.
        internal partial struct SegmentManager
        {
            // Unmaps a segment in which nothing lives, unless it may become the reserve; it may be gone already. The caller holds no lock
            // but, perhaps, that of giving back.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal nuint ReleaseIfEmpty(Segment* segment, bool givingIsHeld)
            {
                // There is no other segment, and it is the reserve as it stands.
                if (!Compilation.Has(CompilationGroups.Sharing))
                    return 0;

                return ReleaseShared(segment, givingIsHeld);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private nuint ReleaseShared(Segment* segment, bool givingIsHeld)
            {
                if (givingIsHeld)
                    return Release(segment, keepReserve: true);

                Giving->Acquire();
                nuint unmapped = Release(segment, keepReserve: true);
                Giving->Release();
                return unmapped;
            }

            // Unmaps every segment in which nothing lives. The caller holds the lock of giving back.
            // Returns: bytes unmapped.
            internal nuint ReleaseAllEmpty()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nuint given = 0;
                SlotWalk walk = Space->Walk();
                for (nuint segment = walk.Next(SlotKind.Segment); segment != 0; segment = walk.Next(SlotKind.Segment))
                    given += Release((Segment*)segment, keepReserve: false);
                return given;
            }

            // Unmaps a segment in which nothing lives; it may be gone already. The caller holds the lock of giving back and no other.
            // segment: The segment.
            // keepReserve: Whether it may become the reserve instead.
            // Returns: bytes unmapped.
            internal nuint Release(Segment* segment, bool keepReserve)
            {
                Assert(Giving->IsHeld);
                nuint address = (nuint)segment;
                bool empty = false;
                Enter();
                // Whoever unmaps a segment takes it out under this lock first, so that what is still a segment here may be read.
                if (Space->KindAt(address) == SlotKind.Segment && segment->HoldsNothing)
                {
                    if (!keepReserve || !TryReserve(segment))
                    {
                        EvictIdleSlabs(segment);
                        empty = segment->FreePages == segment->Pages;
                        if (empty)
                            Remove(segment);
                    }
                }

                _lock.Release();
                return empty ? Space->Unmap(address, Space->LengthAt(address)) : 0;
            }

            // Gives the kernel what is free in a segment: the whole of it if nothing lives there, else the free pages that may be dirty.
            // These are taken out of use first and discarded without the manager's lock; whoever misses them waits for the lock of giving
            // back.
            // Returns: bytes unmapped or discarded.
            internal nuint Trim(Segment* segment)
            {
                Giving->Acquire();
                nuint given = Release(segment, keepReserve: false);
                if (given == 0)
                {
                    ulong pages = TakeDirty(segment);
                    given = pages == 0 ? 0 : Discard(segment, pages, mayBeMissed: false);
                    // While pages were taken out, other threads may have freed the rest.
                    given += Release(segment, keepReserve: false);
                }

                Giving->Release();
                return given;
            }

            // Takes the free pages of a segment that may be dirty out of use; it may be gone already.
            private ulong TakeDirty(Segment* segment)
            {
                Assert(Giving->IsHeld);
                ulong pages = 0;
                Enter();
                if (Space->KindAt((nuint)segment) == SlotKind.Segment)
                {
                    pages = segment->FreePages & segment->DirtyPages;
                    TakeOut(segment, pages);
                    Relist(segment);
                }

                _lock.Release();
                return pages;
            }

            // Makes a segment that holds nothing a reserve. False: there are enough that hold nothing either.
            private bool TryReserve(Segment* segment)
            {
                if (IsReserve(segment))
                    return true;

                int most = Space->IsOverLimit ? 0 : Policy.Reserves;
                for (int i = Lists; i < Lists + most; i++)
                {
                    if (!IsEmptyReserve((Segment*)Table[i]))
                    {
                        ClrVolatile.Write(ref Table[i], (ulong)segment);
                        return true;
                    }
                }

                return false;
            }

            private bool IsEmptyReserve(Segment* reserve)
            {
                if (reserve == null || !reserve->HoldsNothing)
                    return false;

                // Its marks may be stale: a reserve that came into use does not say so.
                EvictIdleSlabs(reserve);
                return reserve->FreePages == reserve->Pages;
            }

            // Takes a segment with no live page out for unmapping.
            private void Remove(Segment* segment)
            {
                for (int i = Lists; i < Lists + Policy.MaxReserves; i++)
                {
                    if (Table[i] == (ulong)segment)
                        ClrVolatile.Write(ref Table[i], 0);
                }

                Unlink(segment);
                _count--;
                CountOut(segment);
                if (_growing == segment)
                    _growing = null;
                nuint owned = Space->TryOwn((nuint)segment, SlotKind.Segment);
                Assert(owned == Segment.MappedBytes(segment));
            }

            // Takes the empty slabs of a segment from their bins. A bin that is busy right now keeps its slab.
            private void EvictIdleSlabs(Segment* segment)
            {
                ulong idle = ClrVolatile.Read(ref segment->IdlePages);
                while (idle != 0)
                {
                    int page = (int)ulong.TrailingZeroCount(idle);
                    int count = Segment.SpanAt(segment, page)->PageCount;
                    idle &= ~Segment.MaskOf(page, count);
                    if (!_tryEvict(segment, page))
                        continue;

                    GivePages(segment, page, count);
                }
            }
        }
    }
}
