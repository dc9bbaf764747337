[assembly: EmmaAllocator("ProbeHeap", BoundaryChecks = false)]
