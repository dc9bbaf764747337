namespace Emma.Benchmarks.Peers;

// An allocator as a type argument: each peer is a struct, so that the JIT compiles every pattern and workload once for each peer and
// inlines whatever the peer lets it inline.
internal unsafe interface IAllocator
{
    static abstract void* Alloc(nuint size);

    static abstract void* AllocZeroed(nuint size);

    static abstract void* AlignedAlloc(nuint size, nuint alignment);

    static abstract void* Realloc(void* block, nuint size);

    static abstract void Free(void* block);

    static abstract void AlignedFree(void* block);
}
