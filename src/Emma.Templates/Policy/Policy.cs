namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What follows from the heap's options, for every layer to read. All are constants: what is off leaves no trace.
        internal static class Policy
        {
            // Page runs of up to 256 KiB that are freed are kept by the caches. Not where a limit is near: what one thread keeps is out of
            // another's reach.
            internal const bool KeepsRuns = HasThreadCaches && DeclaredLimit == 0 && !IsHardened;

            // How many lists of slabs a bin has: enough that a few busy threads seldom share one, and that a bin is no larger than a cache
            // line. One where a limit is near: what is free in a slab of another thread's is out of reach for other classes.
            internal const int Homes = HasThreadCaches && DeclaredLimit == 0 ? 4 : 1;

            // How many segments stay mapped although nothing lives in them: 16 MiB, so that a program whose blocks of some 100 KiB come and
            // go does not map and unmap a segment for every few of them. One where a limit is near: what is empty is in the way of others
            // there.
            internal const int MaxReserves = DeclaredLimit == 0 ? 4 : 1;
        }
    }
}
