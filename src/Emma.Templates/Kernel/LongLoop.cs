namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The runtime replaces a method at the thousandth turn of its loop by compiling it anew, on the thread that runs it, which may hold
        // a lock (on-stack replacement). It cannot do that to a method that allocates on its stack, so it compiles such a method with
        // optimization at once, or takes its code from the program's file if that was compiled ahead (ReadyToRun). The attribute
        // AggressiveOptimization would keep code of the file out. So methods whose loops go over slots, segments, slabs, magazines or
        // caches allocate a byte each (CompilationTests, PrecompiledCodeTests).
        internal static class LongLoop
        {
            internal const int Bytes = 1;
        }
    }
}
