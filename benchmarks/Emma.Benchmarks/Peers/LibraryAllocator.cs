using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

// A native allocator's functions by pointer, as the fastest P/Invoke calls them: without a GC transition. The pointers are constants to the
// JIT, because each library has a type of its own: this one with that library's slot.
internal readonly unsafe struct LibraryAllocator<TSlot> : IAllocator
    where TSlot : struct
{
    private static readonly AllocatorLibrary s_library = LibrarySlots.Find(typeof(TSlot));

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, void*> s_malloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, void*>)s_library.Function("malloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_calloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)s_library.Function("calloc");

    // mimalloc's own function has its arguments the other way round; its standard one is a call more.
    private static readonly bool s_sizeIsFirst = s_library.FindFunction("malloc_aligned") != null;

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_aligned =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)(s_sizeIsFirst
            ? s_library.Function("malloc_aligned")
            : FindAligned());

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*> s_realloc =
        (delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*>)s_library.Function("realloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, void> s_free =
        (delegate* unmanaged[SuppressGCTransition]<void*, void>)s_library.Function("free");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => s_malloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => s_calloc(1, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) =>
        s_sizeIsFirst ? s_aligned(size, alignment) : s_aligned(alignment, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => s_realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => s_free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => s_free(block);

    // gperftools has only the older of the two with its prefix.
    private static void* FindAligned()
    {
        void* function = s_library.FindFunction("aligned_alloc");
        return function != null ? function : s_library.Function("memalign");
    }
}
