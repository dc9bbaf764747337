[assembly: EmmaAllocator("ProbeHeap", ThreadCache = false, BoundaryChecks = false)]
