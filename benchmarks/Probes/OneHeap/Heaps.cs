[assembly: EmmaAllocator("ProbeHeap")]
