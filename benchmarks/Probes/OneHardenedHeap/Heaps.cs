[assembly: EmmaAllocator("ProbeHeap", Hardened = true)]
