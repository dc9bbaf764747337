namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    /// <summary>Blocks of no bytes: here small blocks like others.</summary>
    private struct EmptyBlocks
    {
        internal readonly nuint MappedBytes => 0;

        internal void Reset()
        {
        }
    }
}
