using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Micro;

// A number of live blocks of mixed sizes, of which a random one at a time gives way to a new one of another size.
internal sealed class RandomReplacePattern(string name, int live) : BlockPattern(name, Batch)
{
    // Sizes are uniform from here on, over SizeMask more: 16 to 527 bytes.
    private const uint SmallestSize = 16;

    private const uint SizeMask = 511;

    internal override Kernel CreateBlockKernel<TSource, TBlock>()
    {
        XorShift random = new(1);
        TBlock[] blocks = new TBlock[live];
        TSource source = TSource.Open();
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = source.Get(SmallestSize + (random.Next() & SizeMask));

        return new Kernel(
            repeats => random = Run<TSource, TBlock>(repeats, blocks, random),
            () => Release<TSource, TBlock>(blocks));
    }

    private static void Release<TSource, TBlock>(TBlock[] blocks)
        where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct
    {
        TSource source = TSource.Open();
        foreach (TBlock block in blocks)
            source.Put(block);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static XorShift Run<TSource, TBlock>(int repeats, TBlock[] blocks, XorShift random)
        where TSource : struct, IBlockSource<TSource, TBlock>, allows ref struct
        where TBlock : struct
    {
        TSource source = TSource.Open();
        for (long i = (long)repeats * Batch; i > 0; i--)
        {
            ref TBlock block = ref blocks[random.Below((uint)blocks.Length)];
            source.Put(block);
            block = source.Get(SmallestSize + (random.Next() & SizeMask));
            TSource.Touch(block);
        }

        return random;
    }
}
