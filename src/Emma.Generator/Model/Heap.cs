namespace Emma.Generator.Model;

/// <summary>A heap to emit: all that its text depends on.</summary>
/// <param name="FullName">The full name of the heap's class, a valid one.</param>
/// <param name="ThreadCache">Whether threads keep free blocks of their own in front of the slabs.</param>
/// <param name="BoundaryChecks">Whether every pointer that crosses the API is proved valid first.</param>
/// <param name="Hardened">Whether misuse is sought out at the price of speed; BoundaryChecks is on too then.</param>
/// <param name="MemoryLimit">The most bytes that the heap may map; 0: no limit.</param>
/// <param name="IsPublic">Whether the class is public instead of internal.</param>
/// <param name="IsRefused">Whether only an empty class of its name is emitted, because an error stands at the attribute.</param>
internal sealed record Heap(string FullName, bool ThreadCache, bool BoundaryChecks, bool Hardened, long MemoryLimit, bool IsPublic, bool IsRefused)
{
    /// <summary>Stands for a request whose name is refused: nothing is emitted.</summary>
    public static readonly Heap Nameless = new("", true, false, false, 0, false, true);

    /// <summary>The namespace of the heap's class, empty for the global one.</summary>
    public string Namespace => FullName.Substring(0, Math.Max(0, FullName.LastIndexOf('.')));

    /// <summary>The heap's class without its namespace.</summary>
    public string ClassName => FullName.Substring(FullName.LastIndexOf('.') + 1);
}
