// Heaps as users get them: written by the generator.
[assembly: EmmaAllocator("Emma.Templates.Tests.LimitedHeap", BoundaryChecks = false, MemoryLimit = 40 << 20)]
[assembly: EmmaAllocator("Emma.Templates.Tests.LimitedLockedHeap", ThreadCache = false, BoundaryChecks = false, MemoryLimit = 40 << 20)]
[assembly: EmmaAllocator("Emma.Templates.Tests.SlowHeap", BoundaryChecks = false, Public = true, MemoryLimit = 40 << 20)]
#pragma warning disable EMMA0009 // That it can serve nothing is what it is for.
[assembly: EmmaAllocator("TinyHeap", BoundaryChecks = false, MemoryLimit = 1)]
#pragma warning restore EMMA0009
[assembly: EmmaAllocator("Emma.Templates.Tests.CheckedHeap", BoundaryChecks = true, MemoryLimit = 1 << 30)]
[assembly: EmmaAllocator("Emma.Templates.Tests.SettableHeap", BoundaryChecks = false)]
[assembly: EmmaAllocator("Emma.Templates.Tests.ShareHeap", BoundaryChecks = false)]
[assembly: EmmaAllocator("Emma.Templates.Tests.ShareLockedHeap", ThreadCache = false, BoundaryChecks = false)]
[assembly: EmmaAllocator("Emma.Templates.Tests.ShareCheckedHeap", BoundaryChecks = true)]
[assembly: EmmaAllocator("Emma.Templates.Tests.ShareHardenedHeap", Hardened = true)]
