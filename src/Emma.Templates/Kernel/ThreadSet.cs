namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The threads that are doing something, each for as long as it does: whoever comes back to it from within sees it. Places that are
        // free again are used again, and as many as were ever taken at once are kept, in a list that only grows.
        internal sealed class ThreadSet
        {
            private ThreadPlace? _first;

            // Whether everybody is turned away, for tests of what happens then.
            internal bool IsClosed { get; set; }

            // The calling thread's place, which it leaves; null: it has one already.
            internal ThreadPlace? TryEnter()
            {
                int self = ClrEnvironment.CurrentManagedThreadId;
                ThreadPlace? first = ClrVolatile.Read(ref _first);
                for (ThreadPlace? place = first; place is not null; place = place.Next)
                {
                    if (place.Is(self))
                        return null;
                }

                if (IsClosed)
                    return null;

                for (ThreadPlace? place = first; place is not null; place = place.Next)
                {
                    if (place.TryTake(self))
                        return place;
                }

                ThreadPlace added = new ThreadPlace(self);
                do
                {
                    added.Next = first = ClrVolatile.Read(ref _first);
                }
                while (ClrInterlocked.CompareExchange(ref _first, added, first) != first);

                return added;
            }
        }
    }
}
