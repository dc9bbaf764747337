using System.Buffers;
using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

// A rented array. The struct keeps generic code over it from being shared with other reference types.
internal readonly record struct PooledArray(byte[] Array);

// What C# code uses that has no native memory: ArrayPool<byte>.Shared.
internal readonly struct ArrayPoolBlocks : IBlockSource<ArrayPoolBlocks, PooledArray>
{
    public static ArrayPoolBlocks Open() => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PooledArray Get(nuint size) => new(ArrayPool<byte>.Shared.Rent((int)size));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Touch(PooledArray block) => block.Array[0] = 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Put(PooledArray block) => ArrayPool<byte>.Shared.Return(block.Array);
}
