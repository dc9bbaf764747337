namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Which blocks threads keep when they free them.</summary>
        private static class KeptSizes
        {
            /// <summary>The largest size of which free blocks are kept, in bytes.</summary>
            internal const nuint Max = Policy.KeepsRuns ? SizeClasses.MaxCachedSize : SizeClasses.MaxSize;

            internal static int ClassOf(nuint size) => size <= SizeClasses.MaxSize ? SizeClasses.Of(size) : PageMap.RunOf(Segment.PagesFor(size));
        }
    }
}
