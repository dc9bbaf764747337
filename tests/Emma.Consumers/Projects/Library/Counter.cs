[assembly: EmmaAllocator("Counters.Blocks")]

namespace Counters;

public sealed unsafe class Counter : IDisposable
{
    private int* _count = Blocks.Alloc<int>();

    public Counter() => *_count = 0;

    public int Next() => ++*_count;

    public void Dispose()
    {
        Blocks.Free(_count);
        _count = null;
    }
}
