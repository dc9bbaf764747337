namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        internal static void StartHardening()
        {
        }
    }
}
