namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>What a segment's page 0 says of each page that is in use. A slab's descriptor begins with it, and a page run's is no more.</summary>
        internal struct PageSpan
        {
            /// <summary>The page class.</summary>
            internal byte Class;

            /// <summary>In the descriptor of every page of a slab or run: its first page.</summary>
            internal byte HeadPage;

            internal byte PageCount;

            /// <summary>Makes this, of the first of some pages, the descriptor of all of them.</summary>
            internal void Describe(PageRun run, int pageClass, int pages)
            {
                for (int i = 0; i < pages; i++)
                    Segment.SpanAt(run.Segment, run.Page + i)->HeadPage = (byte)run.Page;
                Class = (byte)pageClass;
                PageCount = (byte)pages;
            }
        }

        /// <summary>Pages handed out by the segment manager.</summary>
        internal readonly struct PageRun
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
    }
}
