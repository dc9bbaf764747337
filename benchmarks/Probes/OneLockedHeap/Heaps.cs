[assembly: EmmaAllocator("ProbeHeap", ThreadCache = false)]
