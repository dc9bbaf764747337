using Emma.Hosting;

[assembly: EmmaAllocator("Counters.Heap", BoundaryChecks = false, MemoryLimit = 64 << 20)]

using HeapMetrics metrics = HeapMetrics.Watch();
unsafe
{
    // Longer than it is looked at.
    void* block = Counters.Heap.Alloc(3 << 20);
    Thread.Sleep(TimeSpan.FromMinutes(2));
    Counters.Heap.Free(block);
}
