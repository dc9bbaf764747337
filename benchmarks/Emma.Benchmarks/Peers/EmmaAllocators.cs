using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

/// <summary>The heap as an attribute without options gives it.</summary>
internal readonly unsafe struct DefaultHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => BenchHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => BenchHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => BenchHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => BenchHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => BenchHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => BenchHeap.AlignedFree(block);
}

/// <summary>The heap without a thread cache.</summary>
internal readonly unsafe struct LockedHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => LockedHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => LockedHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => LockedHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => LockedHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => LockedHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => LockedHeap.AlignedFree(block);
}

/// <summary>The heap that proves every pointer first.</summary>
internal readonly unsafe struct CheckedHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => CheckedHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => CheckedHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => CheckedHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => CheckedHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => CheckedHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => CheckedHeap.AlignedFree(block);
}

/// <summary>The heap that looks for misuse.</summary>
internal readonly unsafe struct HardenedHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => HardenedHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => HardenedHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => HardenedHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => HardenedHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => HardenedHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => HardenedHeap.AlignedFree(block);
}
