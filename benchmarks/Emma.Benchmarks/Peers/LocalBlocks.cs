using System.Runtime.CompilerServices;

namespace Emma.Benchmarks.Peers;

// The blocks of the default heap's local form: its thread's cache, looked up before the loop.
internal readonly unsafe ref struct LocalBlocks : IBlockSource<LocalBlocks, nint>
{
    private readonly BenchHeap.LocalHeap _heap;

    private LocalBlocks(BenchHeap.LocalHeap heap) => _heap = heap;

    public static LocalBlocks Open() => new(BenchHeap.Local);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint Get(nuint size) => (nint)_heap.Alloc(size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Touch(nint block) => *(byte*)block = 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Put(nint block) => _heap.Free((void*)block);
}
