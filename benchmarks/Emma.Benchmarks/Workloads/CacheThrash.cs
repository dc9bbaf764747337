namespace Emma.Benchmarks.Workloads;

// cache-thrash: active false sharing. Each thread again and again allocates one byte, writes and reads it very often, and frees it. An
// allocator that serves threads from one line has them fight for it. Parameters as for CacheScratch.
internal sealed unsafe class CacheThrash() : Workload("cache-thrash")
{
    private const int Objects = 700;
    private const int Writes = 2_000_000;
    private const int QuickObjects = 100;
    private const int QuickWrites = 20_000;

    internal override void Run<TAllocator>(int threads, bool quick) => Crew.Run(threads, _ => WriteObjects<TAllocator>(threads, quick));

    internal static void WriteObjects<TAllocator>(int threads, bool quick)
        where TAllocator : struct, Peers.IAllocator
    {
        int writes = (quick ? QuickWrites : Writes) / threads;
        for (int objects = quick ? QuickObjects : Objects; objects > 0; objects--)
        {
            byte* block = (byte*)TAllocator.Alloc(1);
            Volatile.Write(ref *block, 0);
            for (int i = 0; i < writes; i++)
                Volatile.Write(ref *block, (byte)(Volatile.Read(ref *block) + 1));

            TAllocator.Free(block);
        }
    }
}
