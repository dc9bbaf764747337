using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Micro;

// A number of blocks allocated in a row, then all freed: the oldest first (FIFO, as a queue that is drained) or the youngest first (LIFO,
// as a recursion that returns).
internal sealed class BurstPattern(string name, int count, nuint size, bool oldestFirst) : BlockPattern(name, count)
{
    internal override Kernel CreateBlockKernel<TSource, TBlock>()
    {
        TBlock[] blocks = new TBlock[Operations];
        nuint blockSize = size;
        return oldestFirst
            ? new Kernel(repeats => RunFifo<TSource, TBlock>(repeats, blocks, blockSize))
            : new Kernel(repeats => RunLifo<TSource, TBlock>(repeats, blocks, blockSize));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void RunFifo<TSource, TBlock>(int repeats, TBlock[] blocks, nuint size)
        where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct
    {
        TSource source = TSource.Open();
        for (; repeats > 0; repeats--)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                blocks[i] = source.Get(size);
                TSource.Touch(blocks[i]);
            }

            for (int i = 0; i < blocks.Length; i++)
                source.Put(blocks[i]);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void RunLifo<TSource, TBlock>(int repeats, TBlock[] blocks, nuint size)
        where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct
    {
        TSource source = TSource.Open();
        for (; repeats > 0; repeats--)
        {
            for (int i = 0; i < blocks.Length; i++)
            {
                blocks[i] = source.Get(size);
                TSource.Touch(blocks[i]);
            }

            for (int i = blocks.Length - 1; i >= 0; i--)
                source.Put(blocks[i]);
        }
    }
}
