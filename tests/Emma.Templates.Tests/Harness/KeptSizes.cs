namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Which blocks threads keep when they free them.
        private static class KeptSizes
        {
            // The largest size of which free blocks are kept, in bytes.
            internal const nuint Max = Policy.MayKeepRuns ? SizeClasses.MaxCachedSize : SizeClasses.MaxSize;

            internal static int ClassOf(nuint size) =>
                size <= SizeClasses.MaxSize ? SizeClasses.Of(size) : PageMap.RunOf(Segment.PagesFor(size));
        }
    }
}
