[assembly: EmmaAllocator("Counters.Pool")]

namespace Counters;

public sealed unsafe class Counter : IDisposable
{
    private int* _count = Pool.Alloc<int>();

    public Counter() => *_count = 0;

    public int Next() => ++*_count;

    public void Dispose()
    {
        Pool.Free(_count);
        _count = null;
    }
}
