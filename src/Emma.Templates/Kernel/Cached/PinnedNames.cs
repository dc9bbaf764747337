namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Cached: a thread's cache holds its id.
        internal static partial class WindowsKernel
        {
            internal static void PinName(long name)
            {
            }

            internal static void UnpinNames()
            {
            }
        }
    }
}
