using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

// The lifetimes of sh6bench and sh8bench: slots that fill from left to right but for a fifth of them, whose blocks are kept. When the last
// one is full, the next fifth is kept instead, and all else is freed: below it the oldest first, above it the youngest first.
internal sealed unsafe class KeptWindow<TAllocator>(int slotCount)
    where TAllocator : struct, IAllocator
{
    private const int Windows = 5;

    private readonly nint[] _slots = new nint[slotCount];
    private readonly int _windowLength = slotCount / Windows;
    private int _next;

    // Where the kept blocks begin; behind the last slot while there are none.
    private int _windowStart = slotCount;

    // Allocates a block, writes its first and last byte, and keeps it until its time has come.
    internal void Add(nuint size)
    {
        byte* block = (byte*)TAllocator.Alloc(size);
        block[0] = 1;
        block[size - 1] = 2;
        _slots[_next++] = (nint)block;
        if (_next == _windowStart)
            _next += _windowLength;

        if (_next >= _slots.Length)
            Turn();
    }

    internal void FreeAll()
    {
        FreeOldestFirst(_slots.Length);
        _next = 0;
        _windowStart = _slots.Length;
    }

    private void Turn()
    {
        _windowStart = _windowStart + 2 * _windowLength <= _slots.Length ? _windowStart + _windowLength : 0;
        FreeOldestFirst(_windowStart);
        for (int i = _slots.Length - 1; i >= _windowStart + _windowLength; i--)
            Free(ref _slots[i]);

        _next = _windowStart == 0 ? _windowLength : 0;
    }

    private void FreeOldestFirst(int end)
    {
        for (int i = 0; i < end; i++)
            Free(ref _slots[i]);
    }

    private static void Free(ref nint slot)
    {
        TAllocator.Free((void*)slot);
        slot = 0;
    }
}
