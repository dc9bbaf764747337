[assembly: EmmaAllocator("ProbeHeap", BoundaryChecks = true)]
