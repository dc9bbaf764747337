namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What the layers add up for the statistics.
        internal struct HeapCount
        {
            internal nuint Mapped;
            internal nuint InUse;
            internal nuint Free;
            internal nuint Header;
            internal nuint Cached;
            internal long LargeBlocks;
            internal int Segments;
            internal int ThreadCaches;
        }
    }
}
