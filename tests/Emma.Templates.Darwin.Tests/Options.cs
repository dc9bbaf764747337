namespace Emma.Templates;

// The options of the heap under test, in the place of the templates' own file.
static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        internal const string HeapName = "DarwinHeap";
        internal const string ToolVersion = "0.1.0.0";
        internal const bool ChecksBoundaries = true;
        internal const bool ChecksAreDefaulted = false;
        internal const bool IsHardened = false;
        internal const bool HasThreadCaches = true;
        internal const bool IsOptimized = false;
        internal const long DeclaredLimit = 0;
    }
}
