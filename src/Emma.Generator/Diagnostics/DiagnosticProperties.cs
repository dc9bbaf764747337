namespace Emma.Generator.Diagnostics;

// What diagnostics tell the code fixes besides their place.
internal static class DiagnosticProperties
{
    // The heap to use instead; several, parted by semicolons, where any will do.
    public const string Heaps = "heaps";

    // A name that a heap can have.
    public const string Name = "name";

    // Present where a block's allocation and its frees are known, so that all of them move to the heap together.
    public const string IsPaired = "paired";
}
