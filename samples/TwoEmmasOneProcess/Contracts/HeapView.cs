namespace TwoEmmasOneProcess.Contracts;

/// <summary>The figures of one heap, in plain types: sizes in bytes, the rest counts.</summary>
public sealed record HeapView
{
    /// <summary>The full name of the heap's class.</summary>
    public required string ClassName { get; init; }

    /// <summary>The assembly that the heap's class was compiled into.</summary>
    public required string AssemblyName { get; init; }

    /// <summary>How the heap reaches the kernel.</summary>
    public required string Kernel { get; init; }

    public required long Mapped { get; init; }

    public required long InUse { get; init; }

    public required long Free { get; init; }

    public required long Header { get; init; }

    public required long Cached { get; init; }

    public required long Segments { get; init; }

    public required long LargeBlocks { get; init; }
}
