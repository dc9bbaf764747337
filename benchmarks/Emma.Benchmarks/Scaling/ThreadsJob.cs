using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Scaling;

// A growing number of live threads, all at work at once on 1000 blocks each of 16 to 527 bytes, of which random ones give way to new ones.
// The work is shared out among the threads, so that all numbers of them do the same. Writes a line for each: threads, ns of a core per
// replacement.
internal sealed unsafe class ThreadsJob(int mostThreads, int operations) : IPeerAction
{
    internal const string Name = "threads";

    private const int BlocksPerThread = 1000;
    private const uint SmallestSize = 16;
    private const uint SizeMask = 511;

    // Each number is measured so often, with new threads, and the least time counts.
    private const int Rounds = 3;

    internal static ThreadsJob Parse(string[] args) =>
        new(int.Parse(args[0], CultureInfo.InvariantCulture), int.Parse(args[1], CultureInfo.InvariantCulture));

    // The numbers of threads.
    internal static IEnumerable<int> Steps(int mostThreads)
    {
        for (int threads = 1; threads <= mostThreads; threads *= threads == 1 ? 2 : threads == 2 ? 8 : 4)
            yield return threads;
    }

    public void Invoke<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        Measure<TAllocator>(1);
        foreach (int threads in Steps(mostThreads))
        {
            double best = double.MaxValue;
            for (int round = 0; round < Rounds; round++)
                best = Math.Min(best, Measure<TAllocator>(threads));

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{threads} {best}"));
        }
    }

    private double Measure<TAllocator>(int threads)
        where TAllocator : struct, IAllocator
    {
        int share = operations / threads;
        long started = 0;
        long ended = 0;
        using Barrier begin = new(threads, _ => started = Stopwatch.GetTimestamp());
        using Barrier end = new(threads, _ => ended = Stopwatch.GetTimestamp());
        Workloads.Crew.Run(threads, thread =>
        {
            XorShift random = new((ulong)thread);
            nint[] blocks = new nint[BlocksPerThread];
            Replace<TAllocator>(blocks, BlocksPerThread, ref random);
            begin.SignalAndWait();
            Replace<TAllocator>(blocks, share, ref random);
            end.SignalAndWait();
            foreach (nint block in blocks)
                TAllocator.Free((void*)block);
        });
        int busyCores = Math.Min(threads, Environment.ProcessorCount);
        return Stopwatch.GetElapsedTime(started, ended).TotalNanoseconds * busyCores / ((double)share * threads);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Replace<TAllocator>(nint[] blocks, int times, ref XorShift random)
        where TAllocator : struct, IAllocator
    {
        for (; times > 0; times--)
        {
            ref nint slot = ref blocks[random.Below((uint)blocks.Length)];
            TAllocator.Free((void*)slot);
            byte* block = (byte*)TAllocator.Alloc(SmallestSize + (random.Next() & SizeMask));
            *block = 1;
            slot = (nint)block;
        }
    }
}
