// What the checks need of a heap's inside. Each class is the emitted one's other part.

static unsafe partial class PlainHeap
{
    internal static nint* Functions => (nint*)&HeapInternals.Heap->Windows;

    internal static void KeepLocked() => HeapInternals.Heap->Space.Giving.Acquire();
}

static unsafe partial class CheckedHeap
{
    internal static nint* Functions => (nint*)&HeapInternals.Heap->Windows;

    internal static void KeepLocked() => HeapInternals.Heap->Space.Giving.Acquire();
}

static unsafe partial class LockedHeap
{
    internal static nint* Functions => (nint*)&HeapInternals.Heap->Windows;

    internal static void KeepLocked() => HeapInternals.Heap->Space.Giving.Acquire();
}

static unsafe partial class HardenedHeap
{
    internal static nint* Functions => (nint*)&HeapInternals.Heap->Windows;

    internal static void KeepLocked() => HeapInternals.Heap->Space.Giving.Acquire();
}

static unsafe partial class BoundedHeap
{
    internal static nint* Functions => (nint*)&HeapInternals.Heap->Windows;

    internal static void KeepLocked() => HeapInternals.Heap->Space.Giving.Acquire();
}
