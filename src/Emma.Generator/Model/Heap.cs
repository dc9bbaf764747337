namespace Emma.Generator.Model;

// A heap to emit: all that its text depends on.
// FullName: The full name of the heap's class, a valid one.
// ThreadCache: Whether threads keep free blocks of their own in front of the slabs.
// BoundaryChecks: Whether every pointer that crosses the API is proved valid first.
// ChecksAreDefaulted: Whether BoundaryChecks is on only because the build is a debug one and the attribute does not say.
// Hardened: Whether misuse is sought out at the price of speed; BoundaryChecks is on too then.
// MemoryLimit: The most bytes that the heap may map; 0: no limit.
// IsPublic: Whether the class is public instead of internal.
// IsRefused: Whether only an empty class of its name is emitted, because an error stands at the attribute.
internal sealed record Heap(
    string FullName,
    bool ThreadCache,
    bool BoundaryChecks,
    bool ChecksAreDefaulted,
    bool Hardened,
    long MemoryLimit,
    bool IsPublic,
    bool IsRefused)
{
    // Stands for a request whose name is refused: nothing is emitted.
    public static readonly Heap Nameless = new("", true, false, false, false, 0, false, true);

    // The namespace of the heap's class, empty for the global one.
    public string Namespace => FullName.Substring(0, Math.Max(0, FullName.LastIndexOf('.')));

    // The heap's class without its namespace.
    public string ClassName => FullName.Substring(FullName.LastIndexOf('.') + 1);
}
