using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ThreadLookup;

// An allocator as a type argument, so that the JIT compiles each pattern once for each candidate.
internal unsafe interface IAllocator
{
    static abstract void* Alloc(nuint size);

    static abstract void Free(void* block);
}

// What the candidates need, at an address that is a constant to the compiler.
internal unsafe struct Root
{
    internal static readonly Root* Instance = (Root*)RuntimeHelpers.AllocateTypeAssociatedMemory(typeof(Root), sizeof(Root));

    internal Cache* OnlyCache;
    internal nint GetThreadId, GetWord, TakeByWord, GiveByWord, TakeByTable, GiveByTable;
    internal nint* Table;
}

// A thread static that points to the cache.
internal readonly unsafe struct ByThreadStatic : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => ToyHeap.Alloc(Slot.t_cache, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => ToyHeap.Free(Slot.t_cache, block);

    internal static class Slot
    {
        [ThreadStatic]
        internal static Cache* t_cache;
    }
}

// The kernel's thread id by a trampoline, and a table.
internal readonly unsafe struct ByThreadId : IAllocator
{
    private static Cache* Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            int id = ((delegate*<int>)Root.Instance->GetThreadId)();
            nint* entry = Root.Instance->Table + (id & 0xFFF) * 2;
            return entry[0] == id ? (Cache*)entry[1] : null;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => ToyHeap.Alloc(Current, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => ToyHeap.Free(Current, block);
}

// The whole fast path as machine code, which finds the cache by the thread's id in the table.
internal readonly unsafe struct CodeByThreadId : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => CodePath.Alloc(Root.Instance->TakeByTable, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => CodePath.Free(Root.Instance->GiveByTable, block);
}

// A word of the thread control block by a trampoline.
internal readonly unsafe struct ByWord : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => ToyHeap.Alloc(((delegate*<Cache*>)Root.Instance->GetWord)(), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => ToyHeap.Free(((delegate*<Cache*>)Root.Instance->GetWord)(), block);
}

// The whole fast path as machine code, which finds the cache by the word.
internal readonly unsafe struct CodeByWord : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => CodePath.Alloc(Root.Instance->TakeByWord, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => CodePath.Free(Root.Instance->GiveByWord, block);
}

// The same, called as unmanaged code without a transition, as P/Invokes are: the compiler adds a poll of the garbage collector.
internal readonly unsafe struct UnmanagedCodeByWord : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size)
    {
        if (size <= ToyHeap.MaxSize)
        {
            void* block = ((delegate* unmanaged[SuppressGCTransition]<nuint, void*>)Root.Instance->TakeByWord)(ToyHeap.ClassOf(size));
            if (block != null)
                return block;
        }

        return ToyHeap.AllocSlowly(size);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block)
    {
        block = ((delegate* unmanaged[SuppressGCTransition]<void*, void*>)Root.Instance->GiveByWord)(block);
        if (block != null)
            ToyHeap.FreeSlowly(block);
    }
}

// No lookup: what is left when the cache is known.
internal readonly unsafe struct Known : IAllocator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint size) => ToyHeap.Alloc(Root.Instance->OnlyCache, size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(void* block) => ToyHeap.Free(Root.Instance->OnlyCache, block);
}

// mimalloc by P/Invoke, without a transition: what the candidates are measured against.
internal readonly unsafe partial struct Mimalloc : IAllocator
{
    public static void* Alloc(nuint size) => Allocate(size);

    public static void Free(void* block) => Release(block);

    [LibraryImport("libmimalloc.so.2", EntryPoint = "mi_malloc"), SuppressGCTransition]
    private static partial void* Allocate(nuint size);

    [LibraryImport("libmimalloc.so.2", EntryPoint = "mi_free"), SuppressGCTransition]
    private static partial void Release(void* block);
}

// A candidate whose calls are calls.
internal readonly unsafe struct Outlined<TAllocator> : IAllocator
    where TAllocator : struct, IAllocator
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void* Alloc(nuint size) => TAllocator.Alloc(size);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Free(void* block) => TAllocator.Free(block);
}

// Fast paths in machine code, called like managed code.
internal static unsafe class CodePath
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void* Alloc(nint take, nuint size)
    {
        if (size <= ToyHeap.MaxSize)
        {
            void* block = ((delegate*<nuint, void*>)take)(ToyHeap.ClassOf(size));
            if (block != null)
                return block;
        }

        return ToyHeap.AllocSlowly(size);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Free(nint give, void* block)
    {
        block = ((delegate*<void*, void*>)give)(block);
        if (block != null)
            ToyHeap.FreeSlowly(block);
    }
}
