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
        // 4 MiB of memory in 64 pages of 64 KiB; under a limit the last of them are not mapped before they are needed. Page 0 holds what
        // describes the others and nothing else, touched as far as they are used: this header in the place of its own slab descriptor, the
        // descriptors of pages 1 to 63, their bitmaps. Packed, so that a hardened heap has room behind it (Guards); the long fields come
        // first.
        [ClrStructLayout(ClrLayoutKind.Sequential, Pack = sizeof(int))]
        internal struct Segment
        {
            internal const nuint Size = Window.SlotSize;
            internal const int PageShift = Window.PageShift;
            internal const nuint PageSize = Window.PageSize;
            internal const int PageCount = (int)(Size / PageSize);

            // Every page but the header's, of a segment that is mapped as a whole.
            internal const ulong AllPages = ~1UL;

            internal const int DescriptorBytes = 64;
            internal const nuint BitmapsOffset = PageCount * DescriptorBytes;

            // A bit for each 16 bytes of a page.
            internal const nuint BitmapBytes = PageSize / 16 / 8;

            // Pages that belong to nobody. Under the segment manager's lock.
            internal ulong FreePages;

            // Pages that may hold anything but zeros. Under the segment manager's lock.
            internal ulong DirtyPages;

            // Pages of slabs that are empty but kept by their bin, or were until lately. Interlocked: bins change it under their own locks.
            internal ulong IdlePages;

            // The pages that are mapped, but for the header's: the first ones. Under the segment manager's lock.
            internal ulong Pages;

            // Pages that were free and dirty when the purge came by last, and have not been handed out since. Under the segment manager's
            // lock.
            internal ulong AgedPages;

            internal Segment* Next;
            internal Segment* Previous;

            // The manager's list it is on: the binary logarithm of its longest run of free pages; -1: none.
            internal int List;

            // Whether nothing seems to live here: every page is free or marked idle. A mark may be stale; eviction finds out.
            internal readonly bool HoldsNothing
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (ClrVolatile.Read(in FreePages) | ClrVolatile.Read(in IdlePages)) == ClrVolatile.Read(in Pages);
            }

            internal static Segment* Of(nuint address) => (Segment*)(address & ~(Size - 1));

            internal static int PageOf(nuint address) => (int)((address >> PageShift) & (PageCount - 1));

            // How many pages of a segment are mapped, the header's among them.
            internal static int MappedPages(Segment* segment) => PageCount - (int)ulong.LeadingZeroCount(segment->Pages | 1);

            internal static nuint MappedBytes(Segment* segment) => (nuint)MappedPages(segment) << PageShift;

            // The pages that so many bytes take.
            internal static int PagesFor(nuint size) => (int)((size + (PageSize - 1)) >> PageShift);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static ulong MaskOf(int page, int count) => (count == PageCount ? ~0UL : (1UL << count) - 1) << page;

            internal static nuint AddressOf(Segment* segment, int page) => (nuint)segment + ((nuint)page << PageShift);

            internal static PageSpan* SpanAt(Segment* segment, int page) => (PageSpan*)((byte*)segment + page * DescriptorBytes);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static ulong* BitmapAt(Segment* segment, int page) =>
                (ulong*)((byte*)segment + BitmapsOffset + (nuint)page * BitmapBytes);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void MarkIdle(ulong pages)
            {
                if ((ClrVolatile.Read(ref IdlePages) & pages) != pages)
                    ClrInterlocked.Or(ref IdlePages, pages);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void UnmarkIdle(ulong pages)
            {
                if ((ClrVolatile.Read(ref IdlePages) & pages) != 0)
                    ClrInterlocked.And(ref IdlePages, ~pages);
            }

            // The lowest page that begins a run of free pages of some length, at a multiple of some number of pages; -1: none.
            internal static int FindRun(ulong free, int count, int alignment)
            {
                // After each step bit i says that the next `covered` pages from i on are free.
                ulong starts = free;
                for (int covered = 1; covered < count && starts != 0;)
                {
                    int step = covered < count - covered ? covered : count - covered;
                    starts &= starts >> step;
                    covered += step;
                }

                starts &= MultiplesOf(alignment);
                return starts == 0 ? -1 : (int)ulong.TrailingZeroCount(starts);
            }

            // The binary logarithm of the longest run of free pages, rounded down; -1 if no page is free.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int LongestRunLog2(ulong free)
            {
                int log2 = -1;
                for (int step = 1; free != 0; step <<= 1)
                {
                    log2++;
                    free &= free >> step;
                }

                return log2;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static ulong MultiplesOf(int alignment)
            {
                ulong multiples = 1;
                for (int i = alignment; i < PageCount; i <<= 1)
                    multiples |= multiples << i;
                return multiples;
            }
        }
    }
}
