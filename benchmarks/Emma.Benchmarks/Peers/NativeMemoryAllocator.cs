using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Peers;

// What .NET offers: the C library by P/Invoke.
internal readonly unsafe struct NativeMemoryAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => NativeMemory.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => NativeMemory.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => NativeMemory.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => NativeMemory.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => NativeMemory.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => NativeMemory.AlignedFree(block);
}
