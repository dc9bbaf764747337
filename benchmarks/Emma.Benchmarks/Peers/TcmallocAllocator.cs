using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Peers;

/// <summary>tcmalloc (gperftools) by function pointers, without a GC transition.</summary>
internal readonly unsafe struct TcmallocAllocator : IAllocator
{
    private static readonly AllocatorLibrary s_library = AllocatorLibrary.Load("libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, void*> s_malloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, void*>)s_library.Function("tc_malloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_calloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)s_library.Function("tc_calloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_aligned =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)s_library.Function("tc_memalign");

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*> s_realloc =
        (delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*>)s_library.Function("tc_realloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, void> s_free =
        (delegate* unmanaged[SuppressGCTransition]<void*, void>)s_library.Function("tc_free");

    internal static string? Version
    {
        get
        {
            if (!s_library.IsPresent)
                return null;

            int major, minor;
            byte* patch;
            nint text = ((delegate* unmanaged<int*, int*, byte**, nint>)s_library.Function("tc_version"))(&major, &minor, &patch);
            return Marshal.PtrToStringUTF8(text)?.Replace("gperftools ", "", StringComparison.Ordinal) ?? "";
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => s_malloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => s_calloc(1, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => s_aligned(alignment, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => s_realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => s_free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => s_free(block);
}
