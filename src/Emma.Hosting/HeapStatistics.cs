using System.Diagnostics;
using System.Globalization;

namespace Emma.Hosting;

/// <summary>
/// What a heap holds, in bytes and counts, as its own <c>GetStatistics</c> says. <see cref="MappedBytes"/> is the sum of
/// <see cref="InUseBytes"/>, <see cref="FreeBytes"/>, <see cref="HeaderBytes"/> and <see cref="CachedBytes"/>, exactly so if no thread
/// allocated or freed while it was taken. A heap that is gone reads as zeros, and one that has not started holds no bytes.
/// </summary>
[DebuggerDisplay("{ToString(),nq}")]
public readonly record struct HeapStatistics
{
    // How many figures there are, in the order in which a heap gives them.
    internal const int FigureCount = 16;

    private const double MiB = 1 << 20;

    internal HeapStatistics(ReadOnlySpan<long> figures)
    {
        MappedBytes = figures[0];
        InUseBytes = figures[1];
        FreeBytes = figures[2];
        HeaderBytes = figures[3];
        CachedBytes = figures[4];
        PeakMappedBytes = figures[5];
        MemoryLimit = figures[6];
        LiveBlocks = figures[7];
        FailedAllocations = figures[8];
        Segments = figures[9];
        LargeBlocks = figures[10];
        ThreadCaches = figures[11];
        LiveOwners = figures[12];
        LivePins = figures[13];
        LiveArenas = figures[14];
        HasCallbacks = figures[15] != 0;
    }

    /// <summary>Bytes of address space the heap has mapped, touched or not: what its <c>MemoryLimit</c> bounds.</summary>
    public long MappedBytes { get; }

    /// <summary>Bytes of the live blocks, each at its real size.</summary>
    public long InUseBytes { get; }

    /// <summary>Bytes of free blocks and free pages, ready to be allocated.</summary>
    public long FreeBytes { get; }

    /// <summary>Bytes that describe the others.</summary>
    public long HeaderBytes { get; }

    /// <summary>Bytes of freed blocks that threads keep, and of freed large blocks that stay mapped.</summary>
    public long CachedBytes { get; }

    /// <summary>The most bytes that were mapped at once since the heap started.</summary>
    public long PeakMappedBytes { get; }

    /// <summary>The most bytes that the heap might map when this was taken; 0: no limit.</summary>
    public long MemoryLimit { get; }

    /// <summary>Blocks that were allocated and not freed.</summary>
    public long LiveBlocks { get; }

    /// <summary>Allocations that failed: that threw for want of memory, or returned null.</summary>
    public long FailedAllocations { get; }

    /// <summary>Segments, which serve blocks of up to 2 MiB.</summary>
    public long Segments { get; }

    /// <summary>Live blocks with a mapping of their own.</summary>
    public long LargeBlocks { get; }

    /// <summary>Threads that keep free blocks for themselves.</summary>
    public long ThreadCaches { get; }

    /// <summary>Owners of memory that were rented and not disposed; about, while threads rent.</summary>
    public long LiveOwners { get; }

    /// <summary>Pins of owners' memory that hold; about, while threads pin.</summary>
    public long LivePins { get; }

    /// <summary>Arenas that were not disposed; about, while threads make some.</summary>
    public long LiveArenas { get; }

    /// <summary>
    /// Whether the heap has handed out function pointers: a C library may call it at any time. Shut that down before the plugin is
    /// unloaded. False for a heap that was made before there were callbacks.
    /// </summary>
    public bool HasCallbacks { get; }

    /// <summary>The figures in one line, in MiB.</summary>
    /// <returns>Bytes in use and mapped, the limit, and what has failed.</returns>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{InUseBytes / MiB:0.0} MiB in {LiveBlocks} blocks, {MappedBytes / MiB:0.0} MiB mapped (peak {PeakMappedBytes / MiB:0.0}, " +
        $"{(MemoryLimit == 0 ? "no limit" : string.Create(CultureInfo.InvariantCulture, $"limit {MemoryLimit / MiB:0.0}"))}), " +
        $"{FailedAllocations} allocations failed");
}
