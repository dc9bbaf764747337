using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Micro;

// One block of zeros allocated, written and freed.
internal sealed class ZeroedPattern(string name, nuint size) : Pattern(name, Batch)
{
    internal override Kernel CreateKernel<TAllocator>()
    {
        nuint blockSize = size;
        return new Kernel(repeats => Run<TAllocator>(repeats, blockSize));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void Run<TAllocator>(int repeats, nuint size)
        where TAllocator : struct, IAllocator
    {
        for (long i = (long)repeats * Batch; i > 0; i--)
        {
            byte* block = (byte*)TAllocator.AllocZeroed(size);
            *block = 1;
            TAllocator.Free(block);
        }
    }
}

// One block at a multiple of a cache line allocated, written and freed.
internal sealed class AlignedPattern(string name, nuint size) : Pattern(name, Batch)
{
    private const nuint Alignment = 64;

    internal override Kernel CreateKernel<TAllocator>()
    {
        nuint blockSize = size;
        return new Kernel(repeats => Run<TAllocator>(repeats, blockSize));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void Run<TAllocator>(int repeats, nuint size)
        where TAllocator : struct, IAllocator
    {
        for (long i = (long)repeats * Batch; i > 0; i--)
        {
            byte* block = (byte*)TAllocator.AlignedAlloc(size, Alignment);
            *block = 1;
            TAllocator.AlignedFree(block);
        }
    }
}

// A buffer that doubles from 16 B to 1 MiB and is freed: a list that grows. An operation is one change of size.
internal sealed class ReallocPattern() : Pattern("realloc, 16 B to 1 MiB", Doublings)
{
    private const int Doublings = 16;
    private const nuint FirstSize = 16;

    internal override Kernel CreateKernel<TAllocator>() => new(Run<TAllocator>);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe void Run<TAllocator>(int repeats)
        where TAllocator : struct, IAllocator
    {
        for (; repeats > 0; repeats--)
        {
            nuint size = FirstSize;
            byte* block = (byte*)TAllocator.Alloc(size);
            *block = 1;
            for (int i = 0; i < Doublings; i++)
            {
                size *= 2;
                block = (byte*)TAllocator.Realloc(block, size);
                block[size - 1] = 1;
            }

            TAllocator.Free(block);
        }
    }
}
