using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

/// <summary>mimalloc by function pointers, as the fastest P/Invoke calls it: without a GC transition.</summary>
internal readonly unsafe struct MimallocAllocator : IAllocator
{
    private static readonly AllocatorLibrary s_library = AllocatorLibrary.Load("libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, void*> s_malloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, void*>)s_library.Function("mi_malloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_calloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)s_library.Function("mi_calloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_aligned =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)s_library.Function("mi_malloc_aligned");

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*> s_realloc =
        (delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*>)s_library.Function("mi_realloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, void> s_free =
        (delegate* unmanaged[SuppressGCTransition]<void*, void>)s_library.Function("mi_free");

    internal static AllocatorLibrary Library => s_library;

    /// <summary>Such as 2.0.9, which the library returns as 209.</summary>
    internal static string? Version
    {
        get
        {
            if (!s_library.IsPresent)
                return null;

            int version = ((delegate* unmanaged<int>)s_library.Function("mi_version"))();
            return version < 1000
                ? $"{version / 100}.{version / 10 % 10}.{version % 10}"
                : $"{version / 10000}.{version / 100 % 100}.{version % 100}";
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => s_malloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => s_calloc(1, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => s_aligned(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => s_realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => s_free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => s_free(block);
}
