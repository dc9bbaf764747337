namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>Blocks of no bytes: here small blocks like others.</summary>
        internal struct EmptyBlocks
        {
            internal readonly nuint MappedBytes => 0;

            internal void Reset()
            {
            }
        }
    }
}
