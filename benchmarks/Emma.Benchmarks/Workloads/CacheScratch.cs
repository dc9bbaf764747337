namespace Emma.Benchmarks.Workloads;

// cache-scratch: passive false sharing. The main thread allocates an object of one byte for each thread, side by side; each thread frees
// its one, then again and again allocates one byte and writes and reads it very often. An allocator that reuses the freed neighbours has
// the threads write to one cache line. Two million writes an object shared out among the threads; there 1000 objects a thread, here 700.
internal sealed unsafe class CacheScratch() : Workload("cache-scratch")
{
    internal override void Run<TAllocator>(int threads, bool quick)
    {
        nint[] objects = new nint[threads];
        for (int i = 0; i < threads; i++)
            objects[i] = (nint)TAllocator.Alloc(1);

        Crew.Run(threads, thread =>
        {
            TAllocator.Free((void*)objects[thread]);
            CacheThrash.WriteObjects<TAllocator>(threads, quick);
        });
    }
}
