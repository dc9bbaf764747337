using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Workloads;

// glibc-thread: the C library's own benchmark of threads. Each thread has 1024 slots and over and over frees a random one's block and puts
// a new one there, which it writes in full; sizes are drawn from 8000 that fall off with the square, 4 to 32 768 bytes. There for two
// seconds, here 40 million times a thread.
internal sealed unsafe class GlibcThread() : Workload("glibc-thread")
{
    private const int Iterations = 40_000_000;
    private const int QuickIterations = 300_000;
    private const int Slots = 1024;
    private const int SizeCount = 8000;
    private const double SmallestSize = 4;
    private const double LargestSize = 32_768;

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        int iterations = quick ? QuickIterations : Iterations;
        Crew.Run(threads, thread => RunThread<TAllocator>(new XorShift((ulong)thread), iterations));
    }

    private static void RunThread<TAllocator>(XorShift random, int iterations)
        where TAllocator : struct, Peers.IAllocator
    {
        uint[] sizes = new uint[SizeCount];
        for (int i = 0; i < sizes.Length; i++)
            sizes[i] = (uint)(SmallestSize / (1 - random.NextDouble() * (1 - SmallestSize / LargestSize)));

        nint[] slots = new nint[Slots];
        for (int i = 0; i < iterations; i++)
        {
            ref nint slot = ref slots[random.Below(Slots)];
            TAllocator.Free((void*)slot);
            uint size = sizes[random.Below(SizeCount)];
            slot = (nint)TAllocator.Alloc(size);
            NativeMemory.Fill((void*)slot, size, 1);
        }

        foreach (nint slot in slots)
            TAllocator.Free((void*)slot);
    }
}
