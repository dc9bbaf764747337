using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates;

/// <summary>One block allocated, written and freed, again and again, by one thread.</summary>
internal static unsafe class PairBenchmark
{
    private const int Pairs = 1_000_000;
    private const int Rounds = 25;

    internal static void Run()
    {
        Console.WriteLine("| bytes | emma ns | NativeMemory ns | ratio |");
        Console.WriteLine("|---:|---:|---:|---:|");
        foreach (nuint size in new nuint[] { 16, 64, 256, 1024, 4096, 32768 })
        {
            double[] best = Measurement.MinPerOperation(Rounds, Pairs, () => Emma(size), () => Libc(size));
            Console.WriteLine($"| {size} | {best[0]:F1} | {best[1]:F1} | {best[0] / best[1]:F2} |");
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Emma(nuint size)
    {
        for (int i = 0; i < Pairs; i++)
        {
            byte* block = (byte*)EmmaHeap.Alloc(size);
            *block = 1;
            EmmaHeap.Free(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Libc(nuint size)
    {
        for (int i = 0; i < Pairs; i++)
        {
            byte* block = (byte*)NativeMemory.Alloc(size);
            *block = 1;
            NativeMemory.Free(block);
        }
    }
}
