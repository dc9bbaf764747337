using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

// mstress: bursts of work on fresh threads that hand blocks to one another. In each round a thread allocates 5000 blocks (thread 1: 10 000,
// …) of 8 to 128 bytes, one in a hundred of them 100 times, one in a thousand 1000 times, one in ten thousand 10 000 times as large, and
// half as many of 8 to 512 bytes that it keeps until its end. Between two allocations it frees a random block (two times in three) and
// exchanges one with a place shared by all threads (one time in four). Every block is filled with words that are checked when it is freed,
// by whichever thread. Between rounds half of the shared blocks are freed. There 25 rounds, here 1000.
internal sealed unsafe class MStress() : Workload("mstress")
{
    private const int Rounds = 1000;
    private const int QuickRounds = 4;
    private const int BlocksPerThread = 5000;
    private const int SharedPlaces = 1000;
    private const int ArrayStep = 100_000;
    private const nuint Cookie = 0x1CE4E5B9;

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        nint[] shared = new nint[SharedPlaces];
        XorShift random = new(7);
        int rounds = quick ? QuickRounds : Rounds;
        for (int round = 0; round < rounds; round++)
        {
            int seed = round * threads;
            Crew.Run(threads, thread => RunThread<TAllocator>(thread, shared, new XorShift((ulong)(seed + thread))));
            for (int i = 0; i < shared.Length; i++)
            {
                if ((random.Next() & 1) != 0 || round == rounds - 1)
                    Free<TAllocator>(Interlocked.Exchange(ref shared[i], 0));
            }
        }
    }

    private static void RunThread<TAllocator>(int thread, nint[] shared, XorShift random)
        where TAllocator : struct, IAllocator
    {
        int allocationsLeft = BlocksPerThread * (thread % 8 + 1);
        int retentionsLeft = allocationsLeft / 2;
        nint* retained = (nint*)TAllocator.Alloc((nuint)(retentionsLeft * sizeof(nint)));
        int retainedCount = 0;
        nint* data = null;
        int capacity = 0;
        int count = 0;

        while (allocationsLeft > 0 || retentionsLeft > 0)
        {
            if (retentionsLeft == 0 || (allocationsLeft > 0 && (random.Next() & 1) != 0))
            {
                allocationsLeft--;
                if (count == capacity)
                {
                    capacity += ArrayStep;
                    data = (nint*)TAllocator.Realloc(data, (nuint)(capacity * sizeof(nint)));
                }

                data[count++] = Allocate<TAllocator>((nuint)1 << (int)random.Below(5), ref random);
            }
            else
            {
                retentionsLeft--;
                retained[retainedCount++] = Allocate<TAllocator>((nuint)1 << (int)random.Below(7), ref random);
            }

            if (count > 0 && random.Below(3) != 0)
            {
                ref nint block = ref data[random.Below((uint)count)];
                Free<TAllocator>(block);
                block = 0;
            }

            if (count > 0 && random.Below(4) == 0)
            {
                ref nint block = ref data[random.Below((uint)count)];
                block = Interlocked.Exchange(ref shared[random.Below(SharedPlaces)], block);
            }
        }

        for (int i = 0; i < retainedCount; i++)
            Free<TAllocator>(retained[i]);

        for (int i = 0; i < count; i++)
            Free<TAllocator>(data[i]);

        TAllocator.Free(retained);
        TAllocator.Free(data);
    }

    // A block of some words, now and then of very many. Each holds what is left of the block from it on.
    private static nint Allocate<TAllocator>(nuint words, ref XorShift random)
        where TAllocator : struct, IAllocator
    {
        if (random.Below(100) == 0)
            words *= random.Below(100) == 0 ? 10_000u : random.Below(10) == 0 ? 1000u : 100u;

        nuint* block = (nuint*)TAllocator.Alloc(words * (nuint)sizeof(nuint));
        for (nuint i = 0; i < words; i++)
            block[i] = (words - i) ^ Cookie;

        return (nint)block;
    }

    private static void Free<TAllocator>(nint address)
        where TAllocator : struct, IAllocator
    {
        nuint* block = (nuint*)address;
        if (block == null)
            return;

        nuint words = block[0] ^ Cookie;
        for (nuint i = 0; i < words; i++)
        {
            if ((block[i] ^ Cookie) != words - i)
                throw new InvalidOperationException($"Word {i} of {words} of a block has changed.");
        }

        TAllocator.Free(block);
    }
}
