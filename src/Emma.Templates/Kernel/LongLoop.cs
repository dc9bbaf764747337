namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The runtime replaces a method at the thousandth turn of its loop by compiling it anew, on the thread that runs it, which may hold
        // a lock (on-stack replacement). It cannot where the method has a piece of stack of a size of its own: that is compiled with
        // optimization at once, or comes from the program's file if it was compiled ahead. `AggressiveOptimization` keeps such code out.
        // So methods whose loops go over slots, segments, slabs, magazines or caches take a byte each (CompilationTests).
        internal static class LongLoop
        {
            internal const int Bytes = 1;
        }
    }
}
