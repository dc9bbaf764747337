using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Peers;

/// <summary>jemalloc by function pointers, without a GC transition.</summary>
internal readonly unsafe struct JemallocAllocator : IAllocator
{
    private static readonly AllocatorLibrary s_library = AllocatorLibrary.Load("libjemalloc.so.2", "libjemalloc.so");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, void*> s_malloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, void*>)s_library.Function("malloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_calloc =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)s_library.Function("calloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*> s_aligned =
        (delegate* unmanaged[SuppressGCTransition]<nuint, nuint, void*>)s_library.Function("aligned_alloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*> s_realloc =
        (delegate* unmanaged[SuppressGCTransition]<void*, nuint, void*>)s_library.Function("realloc");

    private static readonly delegate* unmanaged[SuppressGCTransition]<void*, void> s_free =
        (delegate* unmanaged[SuppressGCTransition]<void*, void>)s_library.Function("free");

    internal static string? Version
    {
        get
        {
            if (!s_library.IsPresent)
                return null;

            byte* text = null;
            nuint length = (nuint)sizeof(byte*);
            var control = (delegate* unmanaged<byte*, void*, nuint*, void*, nuint, int>)s_library.Function("mallctl");
            fixed (byte* name = "version\0"u8)
                control(name, &text, &length, null, 0);

            return Marshal.PtrToStringUTF8((nint)text)?.Split('-')[0] ?? "";
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
