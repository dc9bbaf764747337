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

    public required ulong Mapped { get; init; }

    public required ulong InUse { get; init; }

    public required ulong Free { get; init; }

    public required ulong Header { get; init; }

    public required ulong Cached { get; init; }

    public required int Segments { get; init; }

    public required long LargeBlocks { get; init; }
}
