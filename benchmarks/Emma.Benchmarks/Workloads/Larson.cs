using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

// larson: a server whose connections outlive their threads. Each thread inherits 5000 blocks of 8 to 999 bytes, replaces random ones 500
// 000 times, then starts its successor on the same blocks and ends. The first blocks are allocated and shuffled by the main thread. There
// it runs for five seconds, here for 100 generations.
internal sealed unsafe class Larson() : Workload("larson")
{
    private const int BlocksPerThread = 5000;
    private const uint SmallestSize = 8;
    private const uint SizeLimit = 1000;
    private const int Replacements = 500_000;
    private const int QuickReplacements = 20_000;
    private const int Generations = 100;
    private const int QuickGenerations = 4;

    // How often the main thread replaces each block, on average.
    private const int WarmUps = 4;

    private const ulong Seed = 4141;

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        nint[] blocks = new nint[BlocksPerThread * threads];
        XorShift random = new(Seed);
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = Allocate<TAllocator>(ref random);

        for (int i = blocks.Length - 1; i > 0; i--)
        {
            int other = (int)random.Below((uint)i + 1);
            (blocks[i], blocks[other]) = (blocks[other], blocks[i]);
        }

        Replace<TAllocator>(blocks, WarmUps * blocks.Length, ref random);
        using (CountdownEvent ended = new(threads))
        {
            for (int i = 0; i < threads; i++)
            {
                Chain<TAllocator> chain = new()
                {
                    Blocks = blocks[(i * BlocksPerThread)..((i + 1) * BlocksPerThread)],
                    Random = new XorShift(Seed + (ulong)i + 1),
                    Replacements = quick ? QuickReplacements : Replacements,
                    GenerationsLeft = quick ? QuickGenerations : Generations,
                    Ended = ended,
                };
                chain.StartNext();
            }

            ended.Wait();
        }
    }

    private static nint Allocate<TAllocator>(ref XorShift random)
        where TAllocator : struct, IAllocator
    {
        byte* block = (byte*)TAllocator.Alloc(SmallestSize + random.Below(SizeLimit - SmallestSize));
        block[0] = 1;
        block[1] = 2;
        return (nint)block;
    }

    private static void Replace<TAllocator>(nint[] blocks, int times, ref XorShift random)
        where TAllocator : struct, IAllocator
    {
        for (int i = 0; i < times; i++)
        {
            ref nint block = ref blocks[random.Below((uint)blocks.Length)];
            TAllocator.Free((void*)block);
            block = Allocate<TAllocator>(ref random);
        }
    }

    // Threads that follow one another on the same blocks.
    private sealed class Chain<TAllocator>
        where TAllocator : struct, IAllocator
    {
        private XorShift _random;

        internal required nint[] Blocks { get; init; }

        internal required XorShift Random { init => _random = value; }

        internal required int Replacements { get; init; }

        internal required int GenerationsLeft { get; set; }

        internal required CountdownEvent Ended { get; init; }

        internal void StartNext() => new Thread(RunGeneration).Start();

        private void RunGeneration()
        {
            Replace<TAllocator>(Blocks, Replacements, ref _random);
            if (--GenerationsLeft > 0)
            {
                StartNext();
                return;
            }

            foreach (nint block in Blocks)
                TAllocator.Free((void*)block);

            Ended.Signal();
        }
    }
}
