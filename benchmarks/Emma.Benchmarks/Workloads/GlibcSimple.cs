using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Workloads;

// glibc-simple: the C library's own benchmark of bursts. For each size of 16, 32 and 64 bytes and each burst of 25, 100, 400 and 1600
// blocks: two million blocks allocated a burst at a time and written in full; the first half of a burst is freed oldest first, the second
// youngest first. Once to warm up, then by the main thread, by another one while the main thread waits, and by the main thread again.
internal sealed unsafe class GlibcSimple() : Workload("glibc-simple")
{
    private const int Blocks = 2_000_000;
    private const int QuickBlocks = 20_000;

    private static readonly int[] s_sizes = [16, 32, 64];
    private static readonly int[] s_bursts = [25, 100, 400, 1600];

    internal override IReadOnlyList<int> ThreadCounts => [1];

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        int blocks = quick ? QuickBlocks : Blocks;
        RunBursts<TAllocator>(blocks);
        RunBursts<TAllocator>(blocks);
        Crew.Run(threads, _ => RunBursts<TAllocator>(blocks));
        RunBursts<TAllocator>(blocks);
    }

    private static void RunBursts<TAllocator>(int blocks)
        where TAllocator : struct, Peers.IAllocator
    {
        foreach (int size in s_sizes)
        {
            foreach (int burst in s_bursts)
                RunBurst<TAllocator>(new nint[burst], (nuint)size, blocks / burst);
        }
    }

    private static void RunBurst<TAllocator>(nint[] burst, nuint size, int rounds)
        where TAllocator : struct, Peers.IAllocator
    {
        for (; rounds > 0; rounds--)
        {
            foreach (ref nint block in burst.AsSpan())
            {
                block = (nint)TAllocator.Alloc(size);
                NativeMemory.Fill((void*)block, size, 1);
            }

            int half = burst.Length / 2;
            for (int i = 0; i < half; i++)
                TAllocator.Free((void*)burst[i]);

            for (int i = burst.Length - 1; i >= half; i--)
                TAllocator.Free((void*)burst[i]);
        }
    }
}
