namespace Emma.Templates.Tests;

/// <summary>
/// Has the heap of these tests believe that the kernel's pages are larger than they are: with <c>EMMA_KERNEL_PAGE=65536</c> the whole suite
/// runs so.
/// </summary>
public static class LargerPages
{
    public const string Variable = "EMMA_KERNEL_PAGE";

    /// <summary>The size that is forced; null: none is.</summary>
    public static nuint? Forced => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } bytes ? nuint.Parse(bytes) : null;

    /// <summary>To be called before the heap has mapped anything.</summary>
    public static void Use()
    {
        if (Forced is nuint bytes)
            EmmaHeap.HeapInternals.UsePagesOf(bytes);
    }
}
