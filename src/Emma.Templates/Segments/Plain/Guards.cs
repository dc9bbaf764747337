namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Inaccessible pages among a segment's: here none.
        internal static class Guards
        {
            // Bytes behind the last block of a slab that stay inaccessible.
            internal const nuint SlabTail = 0;

            internal static bool TryOpen(Segment* segment, int page, int count) => true;

            internal static void Close(Segment* segment, int page, int count)
            {
            }
        }
    }
}
