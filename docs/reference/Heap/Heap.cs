[assembly: Emma.EmmaAllocator("Reference.MyHeap", Public = true)]
