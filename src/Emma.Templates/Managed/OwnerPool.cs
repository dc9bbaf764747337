namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Owners without a block, to be used again. Each place is taken and filled by one atomic operation, so that a thread that dies, or
        // a fork, leaves nothing locked. A thread begins at places of its own, and tries all others before it makes an owner.
        internal static class OwnerPool<T>
            where T : unmanaged
        {
            // The most owners that are kept: as many as a server's requests at once, at 40 bytes each.
            internal const int Capacity = 256;

            // Two cache lines of references.
            private const int PlacesPerThread = 16;

            private static readonly Owner<T>?[] s_places = new Owner<T>?[Capacity];

            private static int Start => ClrEnvironment.CurrentManagedThreadId * PlacesPerThread & (Capacity - 1);

            internal static Owner<T> Take()
            {
                int start = Start;
                for (int i = 0; i < Capacity; i++)
                {
                    ref Owner<T>? place = ref s_places[(start + i) & (Capacity - 1)];
                    if (ClrVolatile.Read(ref place) is not null && ClrInterlocked.Exchange(ref place, null) is Owner<T> owner)
                        return owner;
                }

                return new Owner<T>();
            }

            internal static void Give(Owner<T> owner)
            {
                int start = Start;
                for (int i = 0; i < Capacity; i++)
                {
                    ref Owner<T>? place = ref s_places[(start + i) & (Capacity - 1)];
                    if (ClrVolatile.Read(ref place) is null && ClrInterlocked.CompareExchange(ref place, owner, null) is null)
                        return;
                }
            }
        }
    }
}
