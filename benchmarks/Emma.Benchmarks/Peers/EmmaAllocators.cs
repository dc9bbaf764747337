using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Peers;

// The heap as an attribute without options gives it.
internal readonly unsafe struct DefaultHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => BenchHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => BenchHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => BenchHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => BenchHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => BenchHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => BenchHeap.AlignedFree(block);
}

// The heap as an attribute without options gives it, where no thread word is left for it: its caches are found by a [ThreadStatic].
internal readonly unsafe partial struct StaticHeapAllocator : IAllocator
{
    // glibc keeps this many keys in a thread's control block itself, and the heap can use no other.
    private const uint FastKeys = 32;

    // Starts the heap while all keys that it could use are taken.
    internal static void Start()
    {
        List<uint> taken = [];
        uint key;
        while (CreateKey(&key, 0) == 0)
        {
            taken.Add(key);
            if (key >= FastKeys)
                break;
        }

        StaticHeap.Free(StaticHeap.Alloc(1));
        taken.ForEach(key => DeleteKey(key));
    }

    [LibraryImport("libc", EntryPoint = "pthread_key_create")]
    private static partial int CreateKey(uint* key, nint destructor);

    [LibraryImport("libc", EntryPoint = "pthread_key_delete")]
    private static partial int DeleteKey(uint key);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => StaticHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => StaticHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => StaticHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => StaticHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => StaticHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => StaticHeap.AlignedFree(block);
}

// The heap without a thread cache.
internal readonly unsafe struct LockedHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => LockedHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => LockedHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => LockedHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => LockedHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => LockedHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => LockedHeap.AlignedFree(block);
}

// The heap that proves every pointer first.
internal readonly unsafe struct CheckedHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => CheckedHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => CheckedHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => CheckedHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => CheckedHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => CheckedHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => CheckedHeap.AlignedFree(block);
}

// The heap that looks for misuse.
internal readonly unsafe struct HardenedHeapAllocator : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => HardenedHeap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint size) => HardenedHeap.AllocZeroed(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint size, nuint alignment) => HardenedHeap.AlignedAlloc(size, alignment);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Realloc(void* block, nuint size) => HardenedHeap.Realloc(block, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => HardenedHeap.Free(block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* block) => HardenedHeap.AlignedFree(block);
}
