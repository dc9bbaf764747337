namespace Emma.Templates;

using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What follows from the heap's options, for every layer to read. What is a constant leaves no trace where it is off; what depends
        // on the limit is read when it is needed, because the limit may change. No fast path asks.
        internal static class Policy
        {
            // The most bytes the heap may map; 0: no limit. It lies in the root, because it may change at any time.
            internal static long Limit
            {
                get => ClrVolatile.Read(ref *LimitWord);
                set => ClrVolatile.Write(ref *LimitWord, value);
            }

            internal static bool IsLimited => Limit != 0;

            // Whether page runs of up to 256 KiB that are freed may be kept by the caches.
            internal const bool MayKeepRuns = HasThreadCaches && !IsHardened;

            // The most lists of slabs that a bin has: enough that a few busy threads seldom share one, and that a bin is no larger than a
            // cache line.
            internal const int MaxHomes = HasThreadCaches ? 4 : 1;

            // The most segments that stay mapped although nothing lives in them: 16 MiB, so that a program whose blocks of some 100 KiB
            // come and go does not map and unmap a segment for every few of them.
            internal const int MaxReserves = 4;

            // Not where there is a limit: what one thread keeps is out of another's reach.
            internal static bool KeepsRuns => MayKeepRuns && !IsLimited;

            // How many lists of slabs a bin uses. One where there is a limit: what is free in a slab of another thread's is out of reach
            // for other classes.
            internal static int Homes => IsLimited ? 1 : MaxHomes;

            // Whether slabs have as few pages as will do. Not in a hardened heap, where each loses its last page.
            internal static bool HasScarceSlabs => IsLimited && !IsHardened;

            // How many segments stay mapped although nothing lives in them. One where there is a limit: what is empty is in the way of
            // others there.
            internal static int Reserves => IsLimited ? 1 : MaxReserves;
        }
    }
}
