using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Micro;

/// <summary>A number of live blocks of mixed sizes, of which a random one at a time gives way to a new one of another size.</summary>
internal sealed class RandomReplacePattern(string name, int live) : BlockPattern(name, Batch)
{
    /// <summary>Sizes are uniform from here on, over <see cref="SizeMask"/> more: 16 to 527 bytes.</summary>
    private const uint SmallestSize = 16;

    private const uint SizeMask = 511;

    protected override Kernel Create<TSource, TBlock>()
    {
        XorShift random = new(1);
        TBlock[] blocks = new TBlock[live];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = TSource.Get(SmallestSize + (random.Next() & SizeMask));

        return new Kernel(
            repeats => random = Run<TSource, TBlock>(repeats, blocks, random),
            () => Array.ForEach(blocks, TSource.Put));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static XorShift Run<TSource, TBlock>(int repeats, TBlock[] blocks, XorShift random)
        where TSource : struct, IBlockSource<TBlock>
        where TBlock : struct
    {
        for (long i = (long)repeats * Batch; i > 0; i--)
        {
            ref TBlock block = ref blocks[random.Below((uint)blocks.Length)];
            TSource.Put(block);
            block = TSource.Get(SmallestSize + (random.Next() & SizeMask));
            TSource.Touch(block);
        }

        return random;
    }
}
