namespace Emma.Benchmarks.Workloads;

// mleak: threads that come and go. In each round ten threads allocate 128 zeroed bytes each, put them into one of 1000 random shared slots,
// free what was there, and end. What an allocator keeps for dead threads shows in the peak memory. There 500 or 5000 rounds, here 2000.
internal sealed unsafe class MLeak() : Workload("mleak")
{
    private const int Rounds = 2000;
    private const int QuickRounds = 20;
    private const int ThreadsPerRound = 10;
    private const int SharedSlots = 1000;
    private const int BlockSize = 128;

    internal override IReadOnlyList<int> ThreadCounts => [ThreadsPerRound];

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        nint[] slots = new nint[SharedSlots];
        for (int round = quick ? QuickRounds : Rounds; round > 0; round--)
        {
            ulong seed = (ulong)(round * threads);
            Crew.Run(threads, thread =>
            {
                XorShift random = new(seed + (ulong)thread);
                nint block = (nint)TAllocator.AllocZeroed(BlockSize);
                TAllocator.Free((void*)Interlocked.Exchange(ref slots[random.Below(SharedSlots)], block));
            });
        }

        foreach (nint block in slots)
            TAllocator.Free((void*)block);
    }
}
