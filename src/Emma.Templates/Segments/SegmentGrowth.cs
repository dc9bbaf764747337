namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How segments are mapped: whole, or, under a limit, a few pages at a time, so that what no block needs is not charged. Everything
        // here is under the manager's lock.
        // Invariant: a segment's slot says the length of the pages it has; a segment that is whole does not grow.
        internal partial struct SegmentManager
        {
            // So many pages are mapped at once, about, where a segment grows: 512 KiB, which cost far more to fill than to map.
            private const int StepPages = 8;

            // Maps pages where a run of some length and alignment has room: behind those of the segment mapped last, or in a new one.
            // Returns: the segment that has room now; null: the limit or the kernel refuses.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private Segment* MapPages(int count, int alignment) =>
                _growing != null && TryGrow(_growing, count, alignment) ? _growing : MapSegment(count, alignment);

            // Maps the first segment of a heap without limit. Those that follow, and those that grow, come when a heap can give segments
            // back.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private Segment* MapFirst() => _count == 0 && !Policy.IsLimited ? MapSegment(Segment.PageCount) : null;

            // The same behind those of any segment.
            private Segment* GrowAny(int count, int alignment)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                SlotWalk walk = Space->Walk();
                for (nuint address = walk.Next(SlotKind.Segment); address != 0; address = walk.Next(SlotKind.Segment))
                {
                    if (TryGrow((Segment*)address, count, alignment))
                        return (Segment*)address;
                }

                return null;
            }

            private static bool IsWhole(Segment* segment) => segment->Pages == Segment.AllPages;

            private Segment* MapSegment(int count, int alignment)
            {
                if (!Policy.IsLimited)
                    return MapSegment(Segment.PageCount);

                int page = Segment.FindRun(Segment.AllPages, count, alignment);
                int pages = StepFrom(0, page, count);
                Segment* segment = MapSegment(pages);
                return segment == null && pages > page + count ? MapSegment(page + count) : segment;
            }

            private Segment* MapSegment(int pages)
            {
                ref AddressSpace space = ref *Space;
                nuint length = (nuint)pages << Segment.PageShift;
                // Busy until the header stands: a walk over the segments must not read it before.
                nuint address = space.Map(length, Segment.Size, SlotKind.Busy, isSegment: true);
                if (address == 0)
                    return null;

                KeepHugePagesOff(address, length);
                Segment* segment = (Segment*)address;
                ulong mapped = Segment.MaskOf(0, pages) & Segment.AllPages;
                segment->Pages = mapped;
                segment->FreePages = mapped;
                segment->List = -1;
                Guards.Close(segment, 0, pages);
                space.Publish(address, length, SlotKind.Segment);
                _count++;
                _growing = segment;
                Relist(segment);
                return segment;
            }

            // Maps pages behind those that a segment has, so that a run has room. False: the segment ends too soon, or the limit or the
            // kernel refuses.
            private bool TryGrow(Segment* segment, int count, int alignment)
            {
                if (IsWhole(segment))
                    return false;

                int mapped = Segment.MappedPages(segment);
                // Only those that end behind what it has: free ones before that may have been refused their memory just now, and are no
                // reason to grow.
                ulong behind = ~Segment.MaskOf(0, ClrMath.Max(mapped - count + 1, 0));
                int page = Segment.FindRun((segment->FreePages | ~Segment.MaskOf(0, mapped)) & behind, count, alignment);
                if (page < 0)
                    return false;

                int step = StepFrom(mapped, page, count);
                return TryGrowTo(step, segment, mapped) || (step > page + count && TryGrowTo(page + count, segment, mapped));
            }

            private bool TryGrowTo(int pages, Segment* segment, int mapped)
            {
                ref AddressSpace space = ref *Space;
                Assert(pages > mapped);
                nuint length = (nuint)mapped << Segment.PageShift;
                nuint added = (nuint)(pages - mapped) << Segment.PageShift;
                if (!space.TryExtend((nuint)segment, length, length + added, SlotKind.Segment, AddressSpace.CountedMarks(added)))
                    return false;

                KeepHugePagesOff((nuint)segment + length, added);
                AdoptGrown(segment);
                Guards.Close(segment, mapped, pages - mapped);
                Relist(segment);
                return true;
            }

            // Where a step that begins behind some pages ends: behind the run it is made for, and behind others of its length as long as
            // they have room, so that no pages are mapped that such runs have no use for.
            private static int StepFrom(int mapped, int page, int count)
            {
                int end = page + count;
                while (end - mapped < StepPages && end + count <= Segment.PageCount)
                    end += count;
                return end;
            }

            // Takes in what was mapped behind the pages that a segment knows of; after a thread died there, too. The free pages come first:
            // should the thread end in between, they are taken in once more before anybody has them.
            private static void AdoptGrown(Segment* segment)
            {
                int pages = (int)(Space->LengthAt((nuint)segment) >> Segment.PageShift);
                ulong mapped = Segment.MaskOf(0, pages) & Segment.AllPages;
                ClrVolatile.Write(ref segment->FreePages, segment->FreePages | (mapped & ~segment->Pages));
                ClrVolatile.Write(ref segment->Pages, mapped);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void KeepHugePagesOff(nuint address, nuint length)
            {
                if (Space->Mapped < HugePagesFrom)
                    VirtualMemory.AdviseHugePages(address, length, wanted: false);
            }
        }
    }
}
