using Emma;

[assembly: EmmaAllocator("Emma.Security.Tests.PlainHeap", BoundaryChecks = false)]
[assembly: EmmaAllocator("Emma.Security.Tests.CheckedHeap", BoundaryChecks = true)]
[assembly: EmmaAllocator("Emma.Security.Tests.HardenedHeap", Hardened = true)]

namespace Emma.Security.Tests;

// What the programs misuse.
internal unsafe interface IHeap
{
    static abstract void* Alloc(nuint size);

    static abstract void* Realloc(void* block, nuint size);

    static abstract void Free(void* block);

    static abstract void Copy(void* source, void* destination, nuint size);
}

internal readonly unsafe struct Plain : IHeap
{
    public static void* Alloc(nuint size) => PlainHeap.Alloc(size);

    public static void* Realloc(void* block, nuint size) => PlainHeap.Realloc(block, size);

    public static void Free(void* block) => PlainHeap.Free(block);

    public static void Copy(void* source, void* destination, nuint size) => PlainHeap.Copy(source, destination, size);
}

internal readonly unsafe struct Checked : IHeap
{
    public static void* Alloc(nuint size) => CheckedHeap.Alloc(size);

    public static void* Realloc(void* block, nuint size) => CheckedHeap.Realloc(block, size);

    public static void Free(void* block) => CheckedHeap.Free(block);

    public static void Copy(void* source, void* destination, nuint size) => CheckedHeap.Copy(source, destination, size);
}

internal readonly unsafe struct Hardened : IHeap
{
    public static void* Alloc(nuint size) => HardenedHeap.Alloc(size);

    public static void* Realloc(void* block, nuint size) => HardenedHeap.Realloc(block, size);

    public static void Free(void* block) => HardenedHeap.Free(block);

    public static void Copy(void* source, void* destination, nuint size) => HardenedHeap.Copy(source, destination, size);
}
