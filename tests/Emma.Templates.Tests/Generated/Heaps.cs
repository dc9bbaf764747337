// Heaps as users get them: written by the generator.
[assembly: EmmaAllocator("Emma.Templates.Tests.LimitedHeap", MemoryLimit = 40 << 20)]
[assembly: EmmaAllocator("Emma.Templates.Tests.LimitedLockedHeap", ThreadCache = false, MemoryLimit = 40 << 20)]
[assembly: EmmaAllocator("Emma.Templates.Tests.SlowHeap", Public = true, MemoryLimit = 40 << 20)]
[assembly: EmmaAllocator("TinyHeap", MemoryLimit = 1)]
[assembly: EmmaAllocator("Emma.Templates.Tests.CheckedHeap", BoundaryChecks = true, MemoryLimit = 1 << 30)]
