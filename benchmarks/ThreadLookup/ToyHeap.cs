using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ThreadLookup;

// What a thread's cache is in the heaps: the window's page map, and for each class the top of an array of free blocks.
internal unsafe struct Cache
{
    internal const int Classes = 40;

    internal nuint WindowBase;
    internal byte* PageMap;
    internal nuint Pages;
    internal fixed ulong Tops[Classes];
}

// A heap for one thread with fast paths alone: its magazines are made so large that they never run dry.
internal static unsafe class ToyHeap
{
    internal const nuint MaxSize = 1024;

    private const ulong Full = 1;
    private const int Blocks = 2000;
    private const int Capacity = Blocks + 500;
    private const nuint PageSize = 1 << 16;
    private const int PagesPerClass = 32;

    private static ReadOnlySpan<byte> ClassTable =>
    [
        1,
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24,
        25, 25, 25, 25, 26, 26, 26, 26, 27, 27, 27, 27, 28, 28, 28, 28, 29, 29, 29, 29, 30, 30, 30, 30, 31, 31, 31, 31, 32, 32, 32, 32,
    ];

    internal static Cache* CreateCache()
    {
        const nuint pages = Cache.Classes * PagesPerClass;
        Cache* cache = (Cache*)NativeMemory.AlignedAlloc((nuint)sizeof(Cache), 64);
        cache->WindowBase = (nuint)NativeMemory.AlignedAlloc(pages * PageSize, PageSize);
        cache->PageMap = (byte*)NativeMemory.AllocZeroed(pages);
        cache->Pages = pages;
        for (int sizeClass = 0; sizeClass < Cache.Classes; sizeClass++)
        {
            // 0 | blocks, the lowest on top | room | Full
            ulong* magazine = (ulong*)NativeMemory.AllocZeroed(Capacity + 2, sizeof(ulong));
            nuint first = cache->WindowBase + (nuint)(sizeClass * PagesPerClass) * PageSize;
            int blocks = sizeClass == 0 ? 0 : Blocks;
            for (int i = 0; i < blocks; i++)
                magazine[1 + i] = first + (nuint)(blocks - 1 - i) * MaxSize;
            magazine[1 + (sizeClass == 0 ? 0 : Capacity)] = Full;
            cache->Tops[sizeClass] = (ulong)(magazine + 1 + blocks);
            new Span<byte>(cache->PageMap + sizeClass * PagesPerClass, PagesPerClass).Fill((byte)sizeClass);
        }

        return cache;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static nuint ClassOf(nuint size) => Unsafe.AddByteOffset(ref MemoryMarshal.GetReference(ClassTable), (size + 15) >> 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void* Alloc(Cache* cache, nuint size)
    {
        if (cache != null && size <= MaxSize)
        {
            ref ulong tops = ref cache->Tops[ClassOf(size)];
            ulong* top = (ulong*)tops - 1;
            if (*top != 0)
            {
                tops = (ulong)top;
                return (void*)*top;
            }
        }

        return AllocSlowly(size);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Free(Cache* cache, void* block)
    {
        if (cache != null)
        {
            nuint page = ((nuint)block - cache->WindowBase) >> 16;
            if (page < cache->Pages)
            {
                ref ulong tops = ref cache->Tops[cache->PageMap[page]];
                ulong* top = (ulong*)tops;
                if (*top != Full)
                {
                    *top = (ulong)block;
                    tops = (ulong)(top + 1);
                    return;
                }
            }
        }

        FreeSlowly(block);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void* AllocSlowly(nuint size) =>
        throw new InvalidOperationException($"no block of {size} bytes: the patterns are to fit the magazines");

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void FreeSlowly(void* block) =>
        throw new InvalidOperationException($"no room for {(nuint)block:x}: the patterns are to fit the magazines");
}
