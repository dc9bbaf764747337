namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // A place in a set of threads: one thread's, or free.
        internal sealed class ThreadPlace
        {
            // Set before the place is in the set, and never after.
            internal ThreadPlace? Next;

            private int _thread;

            internal ThreadPlace(int thread) => _thread = thread;

            internal bool Is(int thread) => ClrVolatile.Read(ref _thread) == thread;

            internal bool TryTake(int thread) => ClrInterlocked.CompareExchange(ref _thread, thread, 0) == 0;

            internal void Leave() => ClrVolatile.Write(ref _thread, 0);
        }
    }
}
