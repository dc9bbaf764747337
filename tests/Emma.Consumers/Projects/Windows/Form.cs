using Emma;

namespace Windows;

/// <summary>A heap's calls, and the functions of Windows that it has found.</summary>
internal sealed unsafe class Form
{
    private readonly delegate*<nuint, void*> _alloc;
    private readonly delegate*<void*, nuint, void*> _realloc;
    private readonly delegate*<void*, void> _free;

    private Form(
        string name, delegate*<nuint, void*> alloc, delegate*<void*, nuint, void*> realloc, delegate*<void*, void> free, nint* functions)
    {
        Name = name;
        Functions = functions;
        _alloc = alloc;
        _realloc = realloc;
        _free = free;
    }

    internal static Form[] All { get; } =
    [
        new("plain", &PlainHeap.TryAlloc, &PlainHeap.TryRealloc, &PlainHeap.Free, PlainHeap.Functions)
        {
            Figures = () => (PlainHeap.GetStatistics().InUseBytes, PlainHeap.GetStatistics().MappedBytes),
            Trim = PlainHeap.Trim,
            Destroy = PlainHeap.Destroy,
            KeepLocked = PlainHeap.KeepLocked,
        },
        new("checked", &CheckedHeap.TryAlloc, &CheckedHeap.TryRealloc, &CheckedHeap.Free, CheckedHeap.Functions)
        {
            Figures = () => (CheckedHeap.GetStatistics().InUseBytes, CheckedHeap.GetStatistics().MappedBytes),
            Trim = CheckedHeap.Trim,
            Destroy = CheckedHeap.Destroy,
            KeepLocked = CheckedHeap.KeepLocked,
        },
        new("locked", &LockedHeap.TryAlloc, &LockedHeap.TryRealloc, &LockedHeap.Free, LockedHeap.Functions)
        {
            Figures = () => (LockedHeap.GetStatistics().InUseBytes, LockedHeap.GetStatistics().MappedBytes),
            Trim = LockedHeap.Trim,
            Destroy = LockedHeap.Destroy,
            KeepLocked = LockedHeap.KeepLocked,
        },
        new("hardened", &HardenedHeap.TryAlloc, &HardenedHeap.TryRealloc, &HardenedHeap.Free, HardenedHeap.Functions)
        {
            Figures = () => (HardenedHeap.GetStatistics().InUseBytes, HardenedHeap.GetStatistics().MappedBytes),
            Trim = HardenedHeap.Trim,
            Destroy = HardenedHeap.Destroy,
            KeepLocked = HardenedHeap.KeepLocked,
        },
        new("bounded", &BoundedHeap.TryAlloc, &BoundedHeap.TryRealloc, &BoundedHeap.Free, BoundedHeap.Functions)
        {
            Figures = () => (BoundedHeap.GetStatistics().InUseBytes, BoundedHeap.GetStatistics().MappedBytes),
            Trim = BoundedHeap.Trim,
            Destroy = BoundedHeap.Destroy,
            KeepLocked = BoundedHeap.KeepLocked,
        },
    ];

    internal string Name { get; }

    /// <summary>Addresses of functions, that which commits memory first, that which gives it back next.</summary>
    internal nint* Functions { get; }

    /// <summary>Bytes in use, and bytes mapped.</summary>
    internal required Func<(long InUse, long Mapped)> Figures { get; init; }

    internal required Func<nuint> Trim { get; init; }

    internal required Action Destroy { get; init; }

    internal required Action KeepLocked { get; init; }

    internal byte* Alloc(nuint size) => (byte*)_alloc(size);

    internal byte* Realloc(byte* block, nuint size) => (byte*)_realloc(block, size);

    internal void Free(byte* block) => _free(block);
}
