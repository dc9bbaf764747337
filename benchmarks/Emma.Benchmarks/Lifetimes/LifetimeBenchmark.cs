using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Benchmarks.Micro;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Lifetimes;

// What a block costs by how long it lives: a hundred of them that are freed one by one, or all at once with what they lie in, and memory
// behind an owner. Each of them is written to once. The first column is the heap's own pair, which the others are to be compared with.
internal static unsafe class LifetimeBenchmark
{
    private const int Blocks = 100;

    // More do not belong on the stack.
    private const int MostOnStack = 256;

    private static readonly string[] s_columns =
    [
        "pairs", "arena", "scoped arena", "stackalloc", "NativeMemory", "Rent", "RentPooled", "ArrayPool", "MemoryPool.Shared",
    ];

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        ResultTable table = new("lifetimes", "A block by how long it lives: ns per block", "bytes", s_columns)
        {
            Note = $"{Blocks} blocks in a row, each written to once. Pairs, owners and arrays are freed before the next; an arena is reset "
                + "after the last, a scoped one begins with 1 KiB of the stack.",
        };
        KernelTimer timer = settings.Quick ? new(3, TimeSpan.FromMilliseconds(2)) : new(31, TimeSpan.FromMilliseconds(10));
        int[] sizes = [16, 64, 256, 1024, 4096];
        progress.Begin(table.Title, sizes.Length);
        using BenchHeap.HeapArena arena = BenchHeap.CreateArena(1 << 20);
        foreach (int size in sizes)
        {
            Kernel?[] kernels =
            [
                new(repeats => Pairs(repeats, size)),
                new(repeats => Arena(repeats, size, arena)),
                new(repeats => ScopedArena(repeats, size)),
                size > MostOnStack ? null : new(repeats => OnStack(repeats, size)),
                new(repeats => Native(repeats, size)),
                new(repeats => Owners(repeats, size)),
                new(repeats => PooledOwners(repeats, size)),
                new(repeats => Arrays(repeats, size)),
                new(repeats => SharedOwners(repeats, size)),
            ];
            table.Add($"{size}", timer.Measure(kernels, Blocks));
            progress.Step($"{size} bytes");
        }

        yield return table;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Pairs(int repeats, int size)
    {
        for (int i = repeats * Blocks; i > 0; i--)
        {
            byte* block = (byte*)BenchHeap.Alloc((nuint)size);
            *block = 1;
            BenchHeap.Free(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Arena(int repeats, int size, BenchHeap.HeapArena arena)
    {
        for (; repeats > 0; repeats--)
        {
            for (int i = 0; i < Blocks; i++)
                *(byte*)arena.Alloc((nuint)size) = 1;
            arena.Reset();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ScopedArena(int repeats, int size)
    {
        byte* buffer = stackalloc byte[1024];
        for (; repeats > 0; repeats--)
        {
            using BenchHeap.HeapScopedArena arena = BenchHeap.ScopedArena(new Span<byte>(buffer, 1024));
            for (int i = 0; i < Blocks; i++)
                arena.AllocSpan<byte>(size)[0] = 1;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void OnStack(int repeats, int size)
    {
        for (int i = repeats * Blocks; i > 0; i--)
            UseStack(size);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    [SkipLocalsInit]
    private static void UseStack(int size)
    {
        byte* block = stackalloc byte[size];
        Volatile.Write(ref *block, 1);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Native(int repeats, int size)
    {
        for (int i = repeats * Blocks; i > 0; i--)
        {
            byte* block = (byte*)NativeMemory.Alloc((nuint)size);
            *block = 1;
            NativeMemory.Free(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Owners(int repeats, int size)
    {
        for (int i = repeats * Blocks; i > 0; i--)
        {
            using IMemoryOwner<byte> owner = BenchHeap.Rent<byte>(size);
            owner.Memory.Span[0] = 1;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void PooledOwners(int repeats, int size)
    {
        for (int i = repeats * Blocks; i > 0; i--)
        {
            using BenchHeap.HeapPooledMemory<byte> owner = BenchHeap.RentPooled<byte>(size);
            owner.Span[0] = 1;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Arrays(int repeats, int size)
    {
        for (int i = repeats * Blocks; i > 0; i--)
        {
            byte[] array = ArrayPool<byte>.Shared.Rent(size);
            array[0] = 1;
            ArrayPool<byte>.Shared.Return(array);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void SharedOwners(int repeats, int size)
    {
        for (int i = repeats * Blocks; i > 0; i--)
        {
            using IMemoryOwner<byte> owner = MemoryPool<byte>.Shared.Rent(size);
            owner.Memory.Span[0] = 1;
        }
    }
}
