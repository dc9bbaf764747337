using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

// What the patterns of plain blocks need of a peer, so that a pool of managed arrays can take part in them, and a heap's local form, which
// is looked up once.
// TSelf: the source: a struct, or a ref struct.
// TBlock: what stands for a block: a struct, for which the JIT compiles code of its own.
internal interface IBlockSource<TSelf, TBlock>
    where TSelf : struct, IBlockSource<TSelf, TBlock>, allows ref struct
    where TBlock : struct
{
    // The source for the calling thread, before the loop.
    static abstract TSelf Open();

    TBlock Get(nuint size);

    static abstract void Touch(TBlock block);

    void Put(TBlock block);
}

// The blocks of an allocator.
internal readonly unsafe struct NativeBlocks<TAllocator> : IBlockSource<NativeBlocks<TAllocator>, nint>
    where TAllocator : struct, IAllocator
{
    public static NativeBlocks<TAllocator> Open() => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint Get(nuint size) => (nint)TAllocator.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Touch(nint block) => *(byte*)block = 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Put(nint block) => TAllocator.Free((void*)block);
}
