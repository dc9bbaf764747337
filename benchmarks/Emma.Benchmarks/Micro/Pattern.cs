using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Micro;

// What one thread does with an allocator, over and over; always allocate, write, free.
// name: the row's name.
// operations: blocks allocated and freed by one run: what a run's time is divided by.
internal abstract class Pattern(string name, int operations)
{
    // Runs of patterns that do a single thing at a time repeat it so often, to keep the call out of the figure.
    protected const int Batch = 1000;

    internal string Name { get; } = name;

    internal int Operations { get; } = operations;

    // Compiles the pattern's code over an allocator, and the allocator's own that is not inlined into it, and runs none of it.
    internal virtual void Compile<TAllocator>()
        where TAllocator : struct, IAllocator => Compilation.Prepare(GetType(), typeof(TAllocator));

    // The same over a source of blocks.
    internal void CompileBlocks<TSource, TBlock>()
        where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct => Compilation.Prepare(GetType(), typeof(TSource), typeof(TBlock));

    internal abstract Kernel CreateKernel<TAllocator>()
        where TAllocator : struct, IAllocator;

    // The same over a source that has blocks and no more, such as a pool of arrays; null if that cannot do the work.
    internal virtual Kernel? CreateBlockKernel<TSource, TBlock>()
        where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct => null;
}

// A pattern of plain blocks, which a pool of arrays can do too.
internal abstract class BlockPattern(string name, int operations) : Pattern(name, operations)
{
    internal sealed override void Compile<TAllocator>() => CompileBlocks<NativeBlocks<TAllocator>, nint>();

    internal sealed override Kernel CreateKernel<TAllocator>() => CreateBlockKernel<NativeBlocks<TAllocator>, nint>();

    internal abstract override Kernel CreateBlockKernel<TSource, TBlock>();
}
