namespace Emma.Templates;

// The options of the heap under test, in the place of the templates' own file.
static unsafe partial class EmmaHeap
{
    private const string HeapName = "HardenedHeap";
    private const bool BoundaryChecks = true;
    private const bool Hardened = true;
    private const long MemoryLimit = 0;
}
