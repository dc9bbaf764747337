namespace Emma.Soak;

/// <summary>A live block as its owner sees it.</summary>
public readonly record struct Block(nuint Address, nuint Size, ulong Seed, HeapKind Heap)
{
    public override string ToString() => $"block 0x{Address:x} of {Size} bytes of the {Heap} heap, pattern 0x{Seed:x}";
}

/// <summary>Through these, threads pass blocks to each other.</summary>
public sealed class Mailboxes(int count)
{
    private const int Empty = 0;
    private const int Busy = 1;
    private const int Full = 2;

    private readonly Block[] _blocks = new Block[count];
    private readonly int[] _states = new int[count];

    public int Count => count;

    public bool TryPut(int box, in Block block)
    {
        if (Interlocked.CompareExchange(ref _states[box], Busy, Empty) != Empty)
            return false;

        _blocks[box] = block;
        Volatile.Write(ref _states[box], Full);
        return true;
    }

    public bool TryTake(int box, out Block block)
    {
        block = default;
        if (Interlocked.CompareExchange(ref _states[box], Busy, Full) != Full)
            return false;

        block = _blocks[box];
        Volatile.Write(ref _states[box], Empty);
        return true;
    }
}
