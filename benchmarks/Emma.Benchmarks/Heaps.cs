[assembly: EmmaAllocator("BenchHeap")]
[assembly: EmmaAllocator("LockedHeap", ThreadCache = false)]
