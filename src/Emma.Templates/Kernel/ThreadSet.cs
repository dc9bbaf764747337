namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The threads that are doing something, each for as long as it does: whoever comes back to it from within sees it.
        internal sealed class ThreadSet
        {
            // More threads at once are turned away.
            private const int MaxThreads = 64;

            private readonly int[] _threads = new int[MaxThreads];

            // Adds the calling thread. False: it is in the set, or there is no room.
            internal bool TryEnter()
            {
                int self = ClrEnvironment.CurrentManagedThreadId;
                return IndexOf(self) < 0 && TryReplace(0, self);
            }

            // Takes the calling thread out of the set.
            internal void Leave() => TryReplace(ClrEnvironment.CurrentManagedThreadId, 0);

            private int IndexOf(int thread)
            {
                int index = MaxThreads - 1;
                while (index >= 0 && ClrVolatile.Read(ref _threads[index]) != thread)
                    index--;
                return index;
            }

            private bool TryReplace(int old, int replacement)
            {
                for (int i = 0; i < MaxThreads; i++)
                {
                    if (ClrInterlocked.CompareExchange(ref _threads[i], replacement, old) == old)
                        return true;
                }

                return false;
            }
        }
    }
}
