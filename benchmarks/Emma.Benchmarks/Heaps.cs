[assembly: EmmaAllocator("BenchHeap")]
[assembly: EmmaAllocator("LockedHeap", ThreadCache = false)]
[assembly: EmmaAllocator("CheckedHeap", BoundaryChecks = true)]
[assembly: EmmaAllocator("HardenedHeap", Hardened = true)]
