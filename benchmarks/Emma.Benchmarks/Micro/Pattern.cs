using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Micro;

/// <summary>What one thread does with an allocator, over and over; always allocate, write, free.</summary>
/// <param name="name">The row's name.</param>
/// <param name="operations">Blocks allocated and freed by one run: what a run's time is divided by.</param>
internal abstract class Pattern(string name, int operations)
{
    /// <summary>Runs of patterns that do a single thing at a time repeat it so often, to keep the call out of the figure.</summary>
    protected const int Batch = 1000;

    internal string Name { get; } = name;

    internal int Operations { get; } = operations;

    internal abstract Kernel CreateKernel<TAllocator>()
        where TAllocator : struct, IAllocator;

    /// <summary>The same over a pool of arrays; null if that cannot do the work.</summary>
    internal virtual Kernel? CreatePooledKernel<TPool>()
        where TPool : struct, IBlockSource<PooledArray> => null;
}

/// <summary>A pattern of plain blocks, which a pool of arrays can do too.</summary>
internal abstract class BlockPattern(string name, int operations) : Pattern(name, operations)
{
    internal sealed override Kernel CreateKernel<TAllocator>() => Create<NativeBlocks<TAllocator>, nint>();

    internal sealed override Kernel CreatePooledKernel<TPool>() => Create<TPool, PooledArray>();

    protected abstract Kernel Create<TSource, TBlock>()
        where TSource : struct, IBlockSource<TBlock>
        where TBlock : struct;
}
