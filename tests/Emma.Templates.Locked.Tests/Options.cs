namespace Emma.Templates;

// The options of the heap under test, in the place of the templates' own file.
static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        internal const string HeapName = "LockedHeap";
        internal const string ToolVersion = "0.1.0.0";
        internal const bool ChecksBoundaries = false;
        internal const bool ChecksAreDefaulted = false;
        internal const bool IsHardened = false;
        internal const bool HasThreadCaches = false;
        internal const bool IsOptimized = false;
        internal const long DeclaredLimit = 0;
    }
}
