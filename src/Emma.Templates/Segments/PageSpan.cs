namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What a segment's page 0 says of each page that is in use. A slab's descriptor begins with it, and a page run's is no more.
        internal struct PageSpan
        {
            // The page class.
            internal byte Class;

            // In the descriptor of every page of a slab or run: its first page.
            internal byte HeadPage;

            internal byte PageCount;

            // Makes this, of the first of some pages, the descriptor of all of them.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void Describe(PageRun run, int pageClass, int pages)
            {
                for (int i = 0; i < pages; i++)
                    Segment.SpanAt(run.Segment, run.Page + i)->HeadPage = (byte)run.Page;
                Class = (byte)pageClass;
                PageCount = (byte)pages;
            }
        }

        // Pages handed out by the segment manager.
        internal readonly struct PageRun
        {
            internal readonly Segment* Segment;
            internal readonly int Page;

            // Those of the pages, as bits of their segment, that may hold anything but zeros.
            internal readonly ulong Dirty;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal PageRun(Segment* segment, int page, ulong dirty)
            {
                Segment = segment;
                Page = page;
                Dirty = dirty;
            }

            internal bool IsNone => Segment == null;

            internal nuint Address
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (nuint)Segment + ((nuint)Page << Window.PageShift);
            }
        }
    }
}
