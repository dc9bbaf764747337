namespace Emma.Templates;

// The options of the heap under test, in the place of the templates' own file.
static unsafe partial class EmmaHeap
{
    private const string HeapName = "LockedHeap";
    private const bool BoundaryChecks = false;
    private const bool Hardened = false;
    private const long MemoryLimit = 0;
}
