[assembly: EmmaAllocator("Emma.Soak.PlainHeap", BoundaryChecks = false)]
[assembly: EmmaAllocator("Emma.Soak.CheckedHeap", BoundaryChecks = true)]
[assembly: EmmaAllocator("Emma.Soak.LockedHeap", ThreadCache = false, BoundaryChecks = false)]
[assembly: EmmaAllocator("Emma.Soak.LimitedHeap", BoundaryChecks = false, MemoryLimit = 24 << 20)]
[assembly: EmmaAllocator("Emma.Soak.HardenedHeap", Hardened = true)]
[assembly: EmmaAllocator("Emma.Soak.FaultyHeap", BoundaryChecks = false)]
[assembly: EmmaAllocator("Emma.Soak.TemporaryHeap", BoundaryChecks = false)]

namespace Emma.Soak;

/// <summary>A heap of this assembly.</summary>
public enum HeapKind
{
    Plain,
    Checked,
    Locked,
    Limited,
    Hardened,

    /// <summary>One for which calls of the kernel fail at random.</summary>
    Faulty,
    Temporary,
}

/// <summary>The heaps by number, so that one piece of code uses them all.</summary>
public static unsafe class Heaps
{
    public const int Count = (int)HeapKind.Temporary + 1;

    public static void* TryAlloc(HeapKind heap, nuint size) => heap switch
    {
        HeapKind.Plain => PlainHeap.TryAlloc(size),
        HeapKind.Checked => CheckedHeap.TryAlloc(size),
        HeapKind.Locked => LockedHeap.TryAlloc(size),
        HeapKind.Limited => LimitedHeap.TryAlloc(size),
        HeapKind.Hardened => HardenedHeap.TryAlloc(size),
        HeapKind.Faulty => FaultyHeap.TryAlloc(size),
        _ => TemporaryHeap.TryAlloc(size),
    };

    public static void* TryAllocZeroed(HeapKind heap, nuint size) => heap switch
    {
        HeapKind.Plain => PlainHeap.TryAllocZeroed(size),
        HeapKind.Checked => CheckedHeap.TryAllocZeroed(size),
        HeapKind.Locked => LockedHeap.TryAllocZeroed(size),
        HeapKind.Limited => LimitedHeap.TryAllocZeroed(size),
        HeapKind.Hardened => HardenedHeap.TryAllocZeroed(size),
        HeapKind.Faulty => FaultyHeap.TryAllocZeroed(size),
        _ => TemporaryHeap.TryAllocZeroed(size),
    };

    public static void* TryAlignedAlloc(HeapKind heap, nuint size, nuint alignment) => heap switch
    {
        HeapKind.Plain => PlainHeap.TryAlignedAlloc(size, alignment),
        HeapKind.Checked => CheckedHeap.TryAlignedAlloc(size, alignment),
        HeapKind.Locked => LockedHeap.TryAlignedAlloc(size, alignment),
        HeapKind.Limited => LimitedHeap.TryAlignedAlloc(size, alignment),
        HeapKind.Hardened => HardenedHeap.TryAlignedAlloc(size, alignment),
        HeapKind.Faulty => FaultyHeap.TryAlignedAlloc(size, alignment),
        _ => TemporaryHeap.TryAlignedAlloc(size, alignment),
    };

    public static void* TryRealloc(HeapKind heap, void* block, nuint size) => heap switch
    {
        HeapKind.Plain => PlainHeap.TryRealloc(block, size),
        HeapKind.Checked => CheckedHeap.TryRealloc(block, size),
        HeapKind.Locked => LockedHeap.TryRealloc(block, size),
        HeapKind.Limited => LimitedHeap.TryRealloc(block, size),
        HeapKind.Hardened => HardenedHeap.TryRealloc(block, size),
        HeapKind.Faulty => FaultyHeap.TryRealloc(block, size),
        _ => TemporaryHeap.TryRealloc(block, size),
    };

    public static void Free(HeapKind heap, void* block)
    {
        switch (heap)
        {
            case HeapKind.Plain:
                PlainHeap.Free(block);
                break;
            case HeapKind.Checked:
                CheckedHeap.Free(block);
                break;
            case HeapKind.Locked:
                LockedHeap.Free(block);
                break;
            case HeapKind.Limited:
                LimitedHeap.Free(block);
                break;
            case HeapKind.Hardened:
                HardenedHeap.Free(block);
                break;
            case HeapKind.Faulty:
                FaultyHeap.Free(block);
                break;
            default:
                TemporaryHeap.Free(block);
                break;
        }
    }

    public static nuint UsableSize(HeapKind heap, void* block) => heap switch
    {
        HeapKind.Plain => PlainHeap.UsableSize(block),
        HeapKind.Checked => CheckedHeap.UsableSize(block),
        HeapKind.Locked => LockedHeap.UsableSize(block),
        HeapKind.Limited => LimitedHeap.UsableSize(block),
        HeapKind.Hardened => HardenedHeap.UsableSize(block),
        HeapKind.Faulty => FaultyHeap.UsableSize(block),
        _ => TemporaryHeap.UsableSize(block),
    };

    /// <summary>Has all of a heap compiled: before the process forks, because a child cannot compile.</summary>
    public static void Prepare(HeapKind heap)
    {
        switch (heap)
        {
            case HeapKind.Plain: PlainHeap.Prepare(); break;
            case HeapKind.Checked: CheckedHeap.Prepare(); break;
            case HeapKind.Locked: LockedHeap.Prepare(); break;
            case HeapKind.Limited: LimitedHeap.Prepare(); break;
            case HeapKind.Hardened: HardenedHeap.Prepare(); break;
            case HeapKind.Faulty: FaultyHeap.Prepare(); break;
            default: TemporaryHeap.Prepare(); break;
        }
    }

    public static nuint Trim(HeapKind heap) => heap switch
    {
        HeapKind.Plain => PlainHeap.Trim(),
        HeapKind.Checked => CheckedHeap.Trim(),
        HeapKind.Locked => LockedHeap.Trim(),
        HeapKind.Limited => LimitedHeap.Trim(),
        HeapKind.Hardened => HardenedHeap.Trim(),
        HeapKind.Faulty => FaultyHeap.Trim(),
        _ => TemporaryHeap.Trim(),
    };

    /// <summary>Bytes of a heap that are mapped, in use, and all the parts together.</summary>
    public static (nuint Mapped, nuint InUse, nuint Sum) Figures(HeapKind heap) => heap switch
    {
        HeapKind.Plain => PlainHeap.GetStatistics() is var s
            ? ((nuint)s.MappedBytes, (nuint)s.InUseBytes,
            (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes) : default,
        HeapKind.Checked => CheckedHeap.GetStatistics() is var s
            ? ((nuint)s.MappedBytes, (nuint)s.InUseBytes,
            (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes) : default,
        HeapKind.Locked => LockedHeap.GetStatistics() is var s
            ? ((nuint)s.MappedBytes, (nuint)s.InUseBytes,
            (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes) : default,
        HeapKind.Limited => LimitedHeap.GetStatistics() is var s
            ? ((nuint)s.MappedBytes, (nuint)s.InUseBytes,
            (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes) : default,
        HeapKind.Hardened => HardenedHeap.GetStatistics() is var s
            ? ((nuint)s.MappedBytes, (nuint)s.InUseBytes,
            (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes) : default,
        HeapKind.Faulty => FaultyHeap.GetStatistics() is var s
            ? ((nuint)s.MappedBytes, (nuint)s.InUseBytes,
            (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes) : default,
        _ => TemporaryHeap.GetStatistics() is var s
            ? ((nuint)s.MappedBytes, (nuint)s.InUseBytes,
            (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes) : default,
    };
}
