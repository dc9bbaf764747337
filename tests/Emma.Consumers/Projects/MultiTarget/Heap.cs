[assembly: Emma.EmmaAllocator("MultiTarget.Memory.Blocks")]
