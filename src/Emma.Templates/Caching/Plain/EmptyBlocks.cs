namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks of no bytes: here small blocks like others.
        internal struct EmptyBlocks
        {
            internal readonly nuint MappedBytes => 0;

            internal readonly int Live => 0;

            internal void Reset()
            {
            }
        }
    }
}
