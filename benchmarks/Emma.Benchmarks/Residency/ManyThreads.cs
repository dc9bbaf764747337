using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Residency;

// Threads that each allocate and free some hundred blocks, a few times over. What they keep is what an allocator's caches hold.
internal abstract class ManyThreads(string name, int threads, int quickThreads, int blocks, SizeRange sizes) : Lifeline(name)
{
    private const int Rounds = 5;

    // How many pieces a second of use is made of.
    private const int Pieces = 100;
    private const int QuickPieces = 3;

    private int _threads;

    private protected int Threads => _threads;

    protected override void Prepare<TAllocator>(bool quick)
    {
        _threads = quick ? quickThreads : threads;
        // Once in small, so that all of the code is compiled and the threads' own memory is there.
        for (int round = 0; round < 10; round++)
            Use<TAllocator>(0, 10);
        StandingCrew crew = new(_threads);
        crew.Do(static _ => { });
        crew.Dismiss();
    }

    private protected StandingCrew UseAll<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        StandingCrew crew = new(_threads);
        crew.Do(index => Use<TAllocator>(index, blocks));
        return crew;
    }

    // One thread, this one, uses the allocator for a second.
    private protected void UseForASecond<TAllocator>(bool quick)
        where TAllocator : struct, IAllocator
    {
        for (int piece = 0; piece < (quick ? QuickPieces : Pieces); piece++)
        {
            Use<TAllocator>(piece, blocks);
            Rest(1.0 / Pieces);
        }
    }

    private unsafe void Use<TAllocator>(int index, int count)
        where TAllocator : struct, IAllocator
    {
        XorShift random = new((ulong)index);
        byte** taken = stackalloc byte*[count];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < count; i++)
            {
                uint size = sizes.Draw(ref random);
                taken[i] = (byte*)TAllocator.Alloc(size);
                for (uint offset = 0; offset < size; offset += 4096)
                    taken[i][offset] = 1;
            }

            for (int i = 0; i < count; i++)
                TAllocator.Free(taken[i]);
        }
    }
}

// A thousand threads at once that end, and one thread that goes on.
internal sealed class ThreadsComeAndGo() : ManyThreads("1000 threads", 1000, 20, blocks: 400, new SizeRange(16, 8 << 10))
{
    protected override void Live<TAllocator>(bool quick)
    {
        StandingCrew crew = UseAll<TAllocator>();
        Note("all freed, threads alive", 0);
        crew.Dismiss();
        Note("threads gone", 0);
        UseForASecond<TAllocator>(quick);
        Note("another thread used it for 1 s", 0);
        Rest(quick ? 0.1 : 4);
        Note("4 s without a call", 0);
    }
}

// A pool of threads that have filled their caches and have no work.
internal sealed class IdleThreads() : ManyThreads("32 idle threads", 32, 4, blocks: 400, new SizeRange(16, 256 << 10))
{
    protected override void Live<TAllocator>(bool quick)
    {
        StandingCrew crew = UseAll<TAllocator>();
        Note("all freed, threads idle", 0);
        Rest(quick ? 0.1 : 5);
        Note("5 s without a call", 0);
        UseForASecond<TAllocator>(quick);
        Note("another thread used it for 1 s", 0);
        crew.Dismiss();
    }
}
