namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Draws the heap's random numbers and makes what its parts need before any lock; the kernel can be called. Any number of threads
        // may race.
        internal static void StartHardening()
        {
            ClrInterlocked.CompareExchange(ref Heap->Cookie, Canary.DrawSecret(), 0);
            ClrInterlocked.CompareExchange(ref Heap->Chance, Canary.DrawSecret(), 0);
            Guards.Start();
        }
    }
}
