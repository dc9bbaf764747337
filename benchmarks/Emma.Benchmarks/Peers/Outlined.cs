using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

// An allocator whose calls are calls: what code feels that does not sit in one tight loop around the allocator.
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

// A source of blocks whose calls are calls.
internal readonly ref struct OutlinedBlocks<TSource, TBlock> : IBlockSource<OutlinedBlocks<TSource, TBlock>, TBlock>
    where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
    where TBlock : struct
{
    private readonly TSource _source;

    private OutlinedBlocks(TSource source) => _source = source;

    public static OutlinedBlocks<TSource, TBlock> Open() => new(TSource.Open());

    public TBlock Get(nuint size) => Get(_source, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Touch(TBlock block) => TSource.Touch(block);

    public void Put(TBlock block) => Put(_source, block);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TBlock Get(TSource source, nuint size) => source.Get(size);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Put(TSource source, TBlock block) => source.Put(block);
}
