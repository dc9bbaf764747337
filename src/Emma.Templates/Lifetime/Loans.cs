namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How much of the heap is in the hands of objects of its own: owners, pins and arenas. Counted in a few places, each thread in one
        // of them, so that threads do not wait for each other's cache line; the sums are right, whichever thread gives back.
        internal struct Loans
        {
            internal const int Owners = 0;
            internal const int Pins = 1;
            internal const int Arenas = 2;

            private const int Places = 8;
            private const int CountsPerPlace = Root.CacheLine / sizeof(long);

            private fixed long _counts[Places * CountsPerPlace];

            internal void Add(int kind, long number) =>
                ClrInterlocked.Add(ref _counts[(ClrEnvironment.CurrentManagedThreadId & (Places - 1)) * CountsPerPlace + kind], number);

            // How many of a kind are out; about, while threads add to it.
            internal long Of(int kind)
            {
                long sum = 0;
                for (int place = 0; place < Places; place++)
                    sum += ClrVolatile.Read(ref _counts[place * CountsPerPlace + kind]);
                return sum < 0 ? 0 : sum;
            }

            // Forgets all of them: the blocks that they hold are gone, and a later era begins.
            internal void Reset()
            {
                for (int i = 0; i < Places * CountsPerPlace; i++)
                    ClrVolatile.Write(ref _counts[i], 0);
            }
        }
    }
}
