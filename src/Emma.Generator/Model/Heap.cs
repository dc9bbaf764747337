using Emma.Generator.Diagnostics;

namespace Emma.Generator.Model;

// A heap to emit: all that its text depends on.
// FullName: The full name of the heap's class, a valid one.
// ThreadCache: Whether threads keep free blocks of their own in front of the slabs.
// BoundaryChecks: Whether every pointer that crosses the API is proved valid first.
// ChecksAreDefaulted: Whether BoundaryChecks is on only because the build is a debug one and the attribute does not say.
// Hardened: Whether misuse is sought out at the price of speed; BoundaryChecks is on too then.
// IsOptimized: Whether the build is a release one.
// MemoryLimit: The most bytes that the heap may map; 0: no limit.
// IsPublic: Whether the class is public instead of internal.
// IsRefused: Whether only an empty class of its name is emitted, because an error stands at the attribute.
// Forwarding: Whether the framework is older than net8.0, so that a class over Marshal takes the heap's place; the other options then mean
// nothing.
// Namesakes: Of a refused heap, how many are asked for before it under a name that differs in case at most. Files are told apart ignoring
// case.
internal sealed record Heap(
    string FullName,
    bool ThreadCache,
    bool BoundaryChecks,
    bool ChecksAreDefaulted,
    bool Hardened,
    bool IsOptimized,
    long MemoryLimit,
    bool IsPublic,
    bool IsRefused,
    Forwarding Forwarding = Forwarding.None,
    int Namesakes = 0)
{
    // Stands for a request whose name is refused: nothing is emitted.
    public static readonly Heap Nameless = StandIn("", 0);

    // The namespace of the heap's class, empty for the global one.
    public string Namespace => HeapName.Namespace(FullName);

    // The heap's class without its namespace.
    public string ClassName => HeapName.ClassName(FullName);

    // A refused heap.
    public static Heap StandIn(string name, int namesakes) =>
        new(name, true, false, false, false, true, 0, false, true, Namesakes: namesakes);
}
