namespace Emma.Benchmarks.Workloads;

// sh8bench: first the frees of other threads, all the time and at once: the main thread allocates ten million 8-byte blocks, each of which
// holds its slot's address, while every thread frees its share of each range of slots and checks that address. Then every thread goes
// through a histogram of sizes, from 8 bytes (1000 blocks) and 16 (5000) to 168 524 (one), 700 000 steps shared out among the threads, over
// a million slots likewise shared. See KeptWindow<TAllocator> for when those blocks are freed. Here 100 000 steps.
internal sealed unsafe class Sh8Bench() : Workload("sh8bench")
{
    private const int HandedOver = 10_000_000;
    private const int QuickHandedOver = 50_000;
    private const int Steps = 100_000;
    private const int QuickSteps = 600;
    private const int Slots = 1_000_000;
    private const int QuickSlots = 50_000;

    private static readonly (nuint Size, int Count)[] s_histogram =
    [
        (8, 1000), (16, 5000), (48, 1000), (72, 100), (148, 100),
        (200, 100), (520, 10), (1056, 5), (4096, 3), (9162, 1), (34_562, 1), (168_524, 1),
    ];

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        HandOver<TAllocator>(threads, quick ? QuickHandedOver : HandedOver);

        int steps = (quick ? QuickSteps : Steps) / threads;
        int slots = (quick ? QuickSlots : Slots) / threads;
        Crew.Run(threads, _ =>
        {
            KeptWindow<TAllocator> blocks = new(slots);
            for (int step = 0; step < steps; step++)
            {
                (nuint size, int count) = s_histogram[step % s_histogram.Length];
                for (; count > 0; count--)
                    blocks.Add(size);
            }

            blocks.FreeAll();
        });
    }

    // As many ranges as threads, as many shares in each range: everybody frees what was just allocated, and soon after one another.
    private static void HandOver<TAllocator>(int threads, int count)
        where TAllocator : struct, Peers.IAllocator
    {
        int share = count / (threads * threads);
        nint[] slots = GC.AllocateArray<nint>(share * threads * threads, pinned: true);
        Crew.Run(threads + 1, thread =>
        {
            if (thread == threads)
            {
                AllocateAll<TAllocator>(slots);
                return;
            }

            for (int range = 0; range < threads; range++)
                FreeAll<TAllocator>(slots.AsSpan((range * threads + thread) * share, share));
        });
    }

    private static void AllocateAll<TAllocator>(Span<nint> slots)
        where TAllocator : struct, Peers.IAllocator
    {
        fixed (nint* first = slots)
        {
            for (int i = 0; i < slots.Length; i++)
            {
                nint** block = (nint**)TAllocator.Alloc((nuint)sizeof(nint));
                *block = first + i;
                Volatile.Write(ref first[i], (nint)block);
            }
        }
    }

    private static void FreeAll<TAllocator>(Span<nint> slots)
        where TAllocator : struct, Peers.IAllocator
    {
        fixed (nint* first = slots)
        {
            for (int i = 0; i < slots.Length; i++)
            {
                SpinWait wait = default;
                nint** block;
                while ((block = (nint**)Volatile.Read(ref first[i])) == null)
                    wait.SpinOnce();

                if (*block != first + i)
                    throw new InvalidOperationException($"The block of slot {i} holds another slot's address.");

                TAllocator.Free(block);
            }
        }
    }
}
