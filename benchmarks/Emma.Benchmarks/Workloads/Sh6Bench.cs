namespace Emma.Benchmarks.Workloads;

// sh6bench: many small sizes, most blocks short-lived, freed in two orders. 10 000 slots and 10 000 loops, both shared out among the
// threads. A loop goes through bases of 1, 2, 4, 7, 11, 17, … (half as much again, plus one) below 1000 bytes and allocates of each, and of
// its half, quarter, … down to one byte, 250 blocks (50 from 100 bytes on). See KeptWindow<TAllocator> for when they are freed. Here 3000
// loops.
internal sealed class Sh6Bench() : Workload("sh6bench")
{
    private const int Slots = 10_000;
    private const int Loops = 3000;
    private const int QuickLoops = 30;
    private const int SizeLimit = 1000;
    private const int LargeSize = 100;
    private const int SmallCount = 250;
    private const int LargeCount = 50;

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        int loops = (quick ? QuickLoops : Loops) / threads;
        Crew.Run(threads, _ =>
        {
            KeptWindow<TAllocator> blocks = new(Slots / threads);
            for (int loop = 0; loop < loops; loop++)
                RunLoop(blocks);

            blocks.FreeAll();
        });
    }

    private static void RunLoop<TAllocator>(KeptWindow<TAllocator> blocks)
        where TAllocator : struct, Peers.IAllocator
    {
        for (int first = 1; first < SizeLimit; first += first / 2 + 1)
        {
            for (int size = first; size > 0; size /= 2)
            {
                for (int count = size < LargeSize ? SmallCount : LargeCount; count > 0; count--)
                    blocks.Add((nuint)size);
            }
        }
    }
}
