using Emma.Hosting;

[assembly: EmmaAllocator("Counters.Heap", BoundaryChecks = false, MemoryLimit = 64 << 20)]

// Longer than it is looked at.
using HeapMetrics metrics = HeapMetrics.Watch();
unsafe
{
    Counters.Heap.Alloc(3 << 20);
}

Thread.Sleep(TimeSpan.FromMinutes(2));
