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

    /// <summary>The same over a source that has blocks and no more, such as a pool of arrays; null if that cannot do the work.</summary>
    internal virtual Kernel? CreateBlockKernel<TSource, TBlock>()
        where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct => null;
}

/// <summary>A pattern of plain blocks, which a pool of arrays can do too.</summary>
internal abstract class BlockPattern(string name, int operations) : Pattern(name, operations)
{
    internal sealed override Kernel CreateKernel<TAllocator>() => CreateBlockKernel<NativeBlocks<TAllocator>, nint>();

    internal abstract override Kernel CreateBlockKernel<TSource, TBlock>();
}
