using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Micro;

// One block allocated, written and freed, again and again, of a size that the code learns at run time.
internal sealed class PairPattern(string name, nuint size) : BlockPattern(name, Batch)
{
    internal override Kernel CreateBlockKernel<TSource, TBlock>()
    {
        nuint blockSize = size;
        return new Kernel(repeats => Run<TSource, TBlock>(repeats, blockSize));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Run<TSource, TBlock>(int repeats, nuint size)
        where TSource : struct, Peers.IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct
    {
        TSource source = TSource.Open();
        for (long i = (long)repeats * Batch; i > 0; i--)
        {
            TBlock block = source.Get(size);
            TSource.Touch(block);
            source.Put(block);
        }
    }
}

// The same with a constant size, which an allocator that inlines can fold to a constant class.
internal sealed class ConstantPairPattern() : BlockPattern("pair, constant 64 B", Batch)
{
    internal override Kernel CreateBlockKernel<TSource, TBlock>() => new(Run<TSource, TBlock>);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Run<TSource, TBlock>(int repeats)
        where TSource : struct, Peers.IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct
    {
        TSource source = TSource.Open();
        for (long i = (long)repeats * Batch; i > 0; i--)
        {
            TBlock block = source.Get(64);
            TSource.Touch(block);
            source.Put(block);
        }
    }
}
