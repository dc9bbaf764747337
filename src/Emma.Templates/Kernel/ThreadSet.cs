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
            private const int ThreadsPerPart = 64;

            private readonly int[] _threads = new int[ThreadsPerPart];

            // How many parts may follow this one. More threads at once than there is room for are turned away.
            private readonly int _mostParts;

            private ThreadSet? _next;

            internal ThreadSet(int mostParts) => _mostParts = mostParts;

            // Adds the calling thread. False: it is in the set, or there is no room.
            internal bool TryEnter()
            {
                int self = ClrEnvironment.CurrentManagedThreadId;
                for (ThreadSet? part = this; part is not null; part = ClrVolatile.Read(ref part._next))
                {
                    if (part.IndexOf(self) >= 0)
                        return false;
                }

                ThreadSet last = this;
                while (!last.TryReplace(0, self))
                {
                    if (last._mostParts == 0)
                        return false;
                    if (ClrVolatile.Read(ref last._next) is null)
                        ClrInterlocked.CompareExchange(ref last._next, new ThreadSet(last._mostParts - 1), null);
                    last = last._next!;
                }

                return true;
            }

            // Takes the calling thread out of the set.
            internal void Leave()
            {
                int self = ClrEnvironment.CurrentManagedThreadId;
                ThreadSet? part = this;
                while (part is not null && !part.TryReplace(self, 0))
                    part = ClrVolatile.Read(ref part._next);
            }

            private int IndexOf(int thread)
            {
                int index = ThreadsPerPart - 1;
                while (index >= 0 && ClrVolatile.Read(ref _threads[index]) != thread)
                    index--;
                return index;
            }

            private bool TryReplace(int old, int replacement)
            {
                for (int i = 0; i < ThreadsPerPart; i++)
                {
                    if (ClrInterlocked.CompareExchange(ref _threads[i], replacement, old) == old)
                        return true;
                }

                return false;
            }
        }
    }
}
