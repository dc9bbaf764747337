using System.Runtime;
using System.Runtime.InteropServices;

namespace Emma.Soak;

/// <summary>
/// Forks the process while its other threads use the heaps. The child checks and frees blocks that it has inherited, allocates and frees
/// others, and exits. It may neither compile nor collect nor throw: the runtime's other threads do not exist there.
/// </summary>
public sealed unsafe class Forks
{
    private const int InheritedBlocks = 200;
    private const int BlocksOfChild = 300;
    // Turns of a millisecond that a child has before it is killed.
    private const int TurnsOfAChild = 120_000;
    private const int Interrupted = 4;

    private static readonly HeapKind[] s_heaps = [HeapKind.Plain, HeapKind.Checked, HeapKind.Locked];

    private readonly delegate* unmanaged<int> _fork;
    private readonly delegate* unmanaged<int, int*, int, int> _wait;
    private readonly delegate* unmanaged<int, int, int> _kill;
    private readonly delegate* unmanaged<int, void> _exit;
    private readonly Block[] _inherited = new Block[InheritedBlocks];
    private readonly Block[] _ofChild = new Block[BlocksOfChild];

    public Forks(ulong seed)
    {
        nint libc = NativeLibrary.GetMainProgramHandle();
        _fork = (delegate* unmanaged<int>)NativeLibrary.GetExport(libc, "fork");
        _wait = (delegate* unmanaged<int, int*, int, int>)NativeLibrary.GetExport(libc, "waitpid");
        _kill = (delegate* unmanaged<int, int, int>)NativeLibrary.GetExport(libc, "kill");
        _exit = (delegate* unmanaged<int, void>)NativeLibrary.GetExport(libc, "_exit");
        for (int heap = 0; heap < Heaps.Count; heap++)
            Heaps.Prepare((HeapKind)heap);
        // Run once where all is well, so that everything a child calls is compiled and bound.
        Allocate(_inherited, seed);
        if (WorkOfChild(seed) != 0)
            throw new InvalidDataException("the work of a child fails in its parent");
        Allocate(_inherited, seed);
    }

    /// <summary>Children that have ended well.</summary>
    public int Done { get; private set; }

    /// <summary>Forks so many times, while no collection can begin.</summary>
    public void Fork(int times, ref Dice dice)
    {
        if (!GC.TryStartNoGCRegion(32 << 20))
            return;

        try
        {
            for (int i = 0; i < times; i++)
            {
                Thread.SpinWait(dice.Next(20_000));
                int status = ForkAndWait((ulong)dice.Next(1 << 30));
                if (status != 0)
                    throw new InvalidDataException($"the child of fork {Done + 1} ended with status 0x{status:x}");
                Done++;
            }
        }
        finally
        {
            if (GCSettings.LatencyMode == GCLatencyMode.NoGCRegion)
                GC.EndNoGCRegion();
        }
    }

    public void AddUsableBytes(nuint[] sums)
    {
        foreach (Block block in _inherited)
            sums[(int)block.Heap] += Heaps.UsableSize(block.Heap, (void*)block.Address);
    }

    public void CheckAndFreeAll()
    {
        if (CheckAndFree(_inherited) != 0)
            throw new InvalidDataException("a block that children inherited has changed");
    }

    private int ForkAndWait(ulong seed)
    {
        int child = _fork();
        if (child == 0)
            _exit(WorkOfChild(seed));

        const int noHang = 1, sigkill = 9;
        int status = 0;
        for (int turn = 0, ended = 0; ended != child; turn++)
        {
            ended = _wait(child, &status, noHang);
            if (ended < 0 && Marshal.GetLastSystemError() != Interrupted)
                throw new InvalidDataException($"waitpid: {Marshal.GetLastSystemError()}");
            if (turn == TurnsOfAChild)
                _kill(child, sigkill);
            if (ended == 0)
                Thread.Sleep(1);
        }

        return status;
    }

    // Returns: 0 if all is well.
    private int WorkOfChild(ulong seed)
    {
        if (CheckAndFree(_inherited) != 0)
            return 2;
        if (!Allocate(_ofChild, seed))
            return 3;
        if (CheckAndFree(_ofChild) != 0)
            return 4;
        foreach (HeapKind heap in s_heaps)
            Heaps.Trim(heap);
        return 0;
    }

    private static bool Allocate(Block[] blocks, ulong seed)
    {
        var dice = new Dice(seed);
        for (int i = 0; i < blocks.Length; i++)
        {
            HeapKind heap = s_heaps[i % s_heaps.Length];
            nuint size = (nuint)dice.Next(dice.Next(50) == 0 ? 3 << 20 : 5000);
            nuint address = (nuint)Heaps.TryAlloc(heap, size);
            if (address == 0)
                return false;
            blocks[i] = new Block(address, size, seed + (ulong)i, heap);
            Contents.Write(address, size, seed + (ulong)i);
        }

        return true;
    }

    // Returns: Blocks that have changed.
    private static int CheckAndFree(Block[] blocks)
    {
        int changed = 0;
        foreach (ref Block block in blocks.AsSpan())
        {
            if (Contents.FirstDifference(block.Address, block.Size, block.Seed, block.Size) >= 0)
                changed++;
            Heaps.Free(block.Heap, (void*)block.Address);
        }

        return changed;
    }
}
