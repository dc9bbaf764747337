using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

/// <summary>An allocator whose calls are calls: what code feels that does not sit in one tight loop around the allocator.</summary>
internal readonly unsafe struct Outlined<TAllocator> : IAllocator
    where TAllocator : struct, IAllocator
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void* Alloc(nuint size) => TAllocator.Alloc(size);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void* AllocZeroed(nuint size) => TAllocator.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => TAllocator.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void* Realloc(void* block, nuint size) => TAllocator.Realloc(block, size);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Free(void* block) => TAllocator.Free(block);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void AlignedFree(void* block) => TAllocator.AlignedFree(block);
}

/// <summary>The same for a pool of arrays.</summary>
internal readonly struct OutlinedBlocks<TSource> : IBlockSource<PooledArray>
    where TSource : struct, IBlockSource<PooledArray>
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static PooledArray Get(nuint size) => TSource.Get(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Touch(PooledArray block) => TSource.Touch(block);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Put(PooledArray block) => TSource.Put(block);
}
