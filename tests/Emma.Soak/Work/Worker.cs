namespace Emma.Soak;

/// <summary>
/// Uses heaps at random and knows what every live block of its own must hold. One seed gives one sequence of requests, but for the blocks
/// that others pass to it. Allocates nothing managed while it works.
/// </summary>
public sealed unsafe class Worker(string name, ulong seed, HeapKind[] heaps, nuint maxLiveBytes, Mailboxes? mail = null)
{
    private const int MaxBlocks = 4000;

    private readonly Block[] _live = new Block[MaxBlocks];
    private Dice _dice = new Dice(seed);
    private ulong _nextSeed = unchecked(seed << 40);
    private int _count;

    /// <summary>Steps done: allocations, frees, resizings, exchanges.</summary>
    public long Steps { get; private set; }

    public long Allocations { get; private set; }

    public long AllocatedBytes { get; private set; }

    /// <summary>Allocations that a memory limit, or the kernel, refused.</summary>
    public long Refused { get; private set; }

    /// <summary>Wrong pointers that were refused.</summary>
    public long Rejected { get; private set; }

    public int LiveBlocks => _count;

    public nuint LiveBytes { get; private set; }

    public nuint AnyAddress => _count == 0 ? 0 : _live[0].Address;

    public void Run(int steps)
    {
        for (int i = 0; i < steps; i++)
            Step();
    }

    public void Step()
    {
        Steps++;
        switch (_dice.Next(100))
        {
            case < 46:
                Allocate();
                break;
            case < 58:
                Resize();
                break;
            case < 68 when mail is not null:
                Pass(mail);
                break;
            default:
                FreeAny();
                break;
        }

        while (LiveBytes > maxLiveBytes || _count == MaxBlocks)
            FreeAny();
        if (_dice.Next(200_000) == 0)
            FreeAll();
        if (_dice.Next(50_000) == 0)
            FreeWrongly();
    }

    public void FreeAll()
    {
        while (_count > 0)
            FreeAny();
    }

    public void CheckAll()
    {
        for (int i = 0; i < _count; i++)
            Check(_live[i], _live[i].Address, _live[i].Size);
    }

    /// <summary>Adds the real sizes of the live blocks to the sum of each one's heap.</summary>
    public void AddUsableBytes(nuint[] sums)
    {
        for (int i = 0; i < _count; i++)
            sums[(int)_live[i].Heap] += Heaps.UsableSize(_live[i].Heap, (void*)_live[i].Address);
    }

    /// <summary>Frees what nobody has taken out of the mailboxes.</summary>
    public void EmptyMail(Mailboxes boxes)
    {
        for (int box = 0; box < boxes.Count; box++)
        {
            if (boxes.TryTake(box, out Block block))
                Release(block);
        }
    }

    private void Allocate()
    {
        HeapKind heap = heaps[_dice.Next(heaps.Length)];
        nuint size = AnySize();
        switch (_dice.Next(10))
        {
            case < 2:
                void* zeroed = Heaps.TryAllocZeroed(heap, size);
                if (zeroed != null && Contents.FirstNonZero((nuint)zeroed, size) is >= 0 and long at)
                    Fail($"AllocZeroed({size}) of the {heap} heap: byte {at} is not zero");
                Enter(heap, zeroed, size);
                break;
            case < 3:
                nuint alignment = (nuint)1 << _dice.Next(_dice.Next(10) == 0 ? 21 : 13);
                void* aligned = Heaps.TryAlignedAlloc(heap, size, alignment);
                if ((nuint)aligned % alignment != 0)
                    Fail($"AlignedAlloc({size}, {alignment}) of the {heap} heap gave 0x{(nuint)aligned:x}");
                Enter(heap, aligned, size);
                break;
            case < 5 when heap == HeapKind.Plain:
                Enter(heap, PlainHeap.Local.TryAlloc(size), size);
                break;
            default:
                Enter(heap, Heaps.TryAlloc(heap, size), size);
                break;
        }
    }

    private void Enter(HeapKind heap, void* block, nuint size)
    {
        if (block == null)
        {
            Refuse(heap, size);
            return;
        }

        if ((nuint)block % 16 != 0 || Heaps.UsableSize(heap, block) < size)
            Fail($"0x{(nuint)block:x} of the {heap} heap is not aligned or has less than {size} bytes");
        Allocations++;
        AllocatedBytes += (long)size;
        var entered = new Block((nuint)block, size, _nextSeed++, heap);
        Contents.Write(entered.Address, size, entered.Seed);
        Keep(entered);
    }

    private void Refuse(HeapKind heap, nuint size)
    {
        if (heap is not (HeapKind.Limited or HeapKind.Faulty))
            Fail($"the {heap} heap, which has no limit, gave nothing for {size} bytes");
        Refused++;
    }

    private void Resize()
    {
        if (_count == 0)
            return;

        Block old = TakeAny();
        nuint size = AnySize();
        void* block = Heaps.TryRealloc(old.Heap, (void*)old.Address, size);
        if (block == null)
        {
            Check(old, old.Address, old.Size);
            Keep(old);
            Refuse(old.Heap, size);
            return;
        }

        Check(old, (nuint)block, Math.Min(old.Size, size));
        Enter(old.Heap, block, size);
    }

    private void Pass(Mailboxes boxes)
    {
        int box = _dice.Next(boxes.Count);
        if (boxes.TryTake(box, out Block block))
        {
            Release(block);
        }
        else if (_count > 0)
        {
            block = TakeAny();
            if (!boxes.TryPut(box, block))
                Keep(block);
        }
    }

    private void FreeAny()
    {
        if (_count > 0)
            Release(TakeAny());
    }

    private void Release(in Block block)
    {
        Check(block, block.Address, block.Size);
        Heaps.Free(block.Heap, (void*)block.Address);
    }

    // A block given to a heap that is not its own.
    private void FreeWrongly()
    {
        if (_count == 0 || heaps.Length == 1)
            return;

        Block block = _live[_dice.Next(_count)];
        HeapKind wrong = block.Heap == HeapKind.Plain ? HeapKind.Checked : HeapKind.Plain;
        try
        {
            Heaps.Free(wrong, (void*)block.Address);
        }
        catch (ArgumentException)
        {
            Rejected++;
            return;
        }

        Fail($"{block} was freed by the {wrong} heap");
    }

    private void Keep(in Block block)
    {
        _live[_count++] = block;
        LiveBytes += block.Size;
    }

    private Block TakeAny()
    {
        int index = _dice.Next(_count);
        Block block = _live[index];
        _live[index] = _live[--_count];
        LiveBytes -= block.Size;
        return block;
    }

    private void Check(in Block block, nuint address, nuint left)
    {
        long difference = Contents.FirstDifference(address, block.Size, block.Seed, left);
        if (difference >= 0)
            Fail($"{block}, now at 0x{address:x}: byte {difference} of {left} has changed");
    }

    private nuint AnySize() => (nuint)(_dice.Next(1000) switch
    {
        < 500 => _dice.Next(257),
        < 900 => _dice.Next(2049),
        < 985 => _dice.Next(32_769),
        < 997 => _dice.Next(32_769, 300_000),
        < 999 => _dice.Next(300_000, 2 << 20),
        _ => _dice.Next(_dice.Next(3) == 0 ? 9 << 20 : 3 << 20),
    });

    private void Fail(string what) => throw new InvalidDataException($"{name}, seed {seed}, step {Steps}: {what}");
}
