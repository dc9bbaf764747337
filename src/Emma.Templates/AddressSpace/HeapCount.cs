namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What the layers add up for the statistics, in bytes and numbers.
        internal struct HeapCount
        {
            internal long Mapped;
            internal long PeakMapped;
            internal long Limit;
            internal long InUse;
            internal long Free;
            internal long Header;
            internal long Cached;
            internal long LiveBlocks;
            internal long Failed;
            internal long LargeBlocks;
            internal long Segments;
            internal long ThreadCaches;
            internal long Owners;
            internal long Pins;
            internal long Arenas;
            internal long Callbacks;
        }
    }
}
