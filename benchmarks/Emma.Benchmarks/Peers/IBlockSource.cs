using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

/// <summary>What the patterns of plain blocks need of a peer, so that a pool of managed arrays can take part in them.</summary>
/// <typeparam name="TBlock">What stands for a block: a struct, for which the JIT compiles code of its own.</typeparam>
internal interface IBlockSource<TBlock>
    where TBlock : struct
{
    static abstract TBlock Get(nuint size);

    static abstract void Touch(TBlock block);

    static abstract void Put(TBlock block);
}

/// <summary>The blocks of an allocator.</summary>
internal readonly unsafe struct NativeBlocks<TAllocator> : IBlockSource<nint>
    where TAllocator : struct, IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Get(nuint size) => (nint)TAllocator.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Touch(nint block) => *(byte*)block = 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put(nint block) => TAllocator.Free((void*)block);
}
