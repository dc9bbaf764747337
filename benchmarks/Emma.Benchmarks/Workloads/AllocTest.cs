using System.Numerics;
using System.Runtime.InteropServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

// alloc-test: a program whose objects are touched in full and whose hot objects are few. 2^18 slots, shared out among the threads, half of
// them full at first. Each iteration picks a slot by a six-fold 80/20 rule; a full one is read through and freed, an empty one gets a block
// of 5 to 1024 bytes, each doubling half as likely as the one before, which is filled. There 100 million iterations for each thread, here
// 40 million.
internal sealed unsafe class AllocTest() : Workload("alloc-test")
{
    private const int Slots = 1 << 18;
    private const int Iterations = 40_000_000;
    private const int QuickIterations = 200_000;

    // Every thread draws the same numbers.
    private const ulong Seed = 41;

    // How many times 80 % of the picks fall into 20 % of what is left.
    private const int Folds = 6;

    private struct Slot
    {
        internal byte* Block;
        internal int Size;
    }

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        int iterations = quick ? QuickIterations : Iterations;
        Crew.Run(threads, _ => RunThread<TAllocator>(Slots / threads, iterations));
    }

    private static void RunThread<TAllocator>(int slotCount, int iterations)
        where TAllocator : struct, IAllocator
    {
        Slot[] slots = new Slot[slotCount];
        XorShift random = new(Seed);
        for (int i = 0; i < slots.Length; i++)
        {
            if ((random.Next() & 1) != 0)
                Fill<TAllocator>(ref slots[i], ref random);
        }

        (uint Threshold, int First, int Count)[] slices = CreateSlices(slotCount);
        long sum = 0;
        for (int i = 0; i < iterations; i++)
        {
            ref Slot slot = ref slots[Pick(slices, ref random)];
            if (slot.Block == null)
                Fill<TAllocator>(ref slot, ref random);
            else
                sum += Empty<TAllocator>(ref slot);
        }

        foreach (ref Slot slot in slots.AsSpan())
        {
            if (slot.Block != null)
                sum += Empty<TAllocator>(ref slot);
        }

        GC.KeepAlive(sum);
    }

    private static void Fill<TAllocator>(ref Slot slot, ref XorShift random)
        where TAllocator : struct, IAllocator
    {
        int doubling = BitOperations.TrailingZeroCount((random.Next() & 127) + 1) + 2;
        slot.Size = (int)(random.Next() & ((1u << doubling) - 1)) + 1 + (1 << doubling);
        slot.Block = (byte*)TAllocator.Alloc((nuint)slot.Size);
        NativeMemory.Fill(slot.Block, (nuint)slot.Size, (byte)slot.Size);
    }

    private static long Empty<TAllocator>(ref Slot slot)
        where TAllocator : struct, IAllocator
    {
        long sum = 0;
        byte* block = slot.Block;
        for (int i = 0; i < slot.Size; i++)
            sum += block[i];

        TAllocator.Free(block);
        slot.Block = null;
        return sum;
    }

    private static int Pick((uint Threshold, int First, int Count)[] slices, ref XorShift random)
    {
        uint pick = random.Next();
        int slice = 0;
        while (pick > slices[slice].Threshold)
            slice++;

        return slices[slice].First + (int)random.Below((uint)slices[slice].Count);
    }

    // Slice k gets C(6,k) 0.8^(6-k) 0.2^k of the picks and the complementary share, C(6,k) 0.2^(6-k) 0.8^k, of the slots.
    private static (uint Threshold, int First, int Count)[] CreateSlices(int slotCount)
    {
        var slices = new (uint, int, int)[Folds + 1];
        double picks = 0;
        double binomial = 1;
        int first = 0;
        for (int k = 0; k <= Folds; k++)
        {
            picks += binomial * Math.Pow(0.8, Folds - k) * Math.Pow(0.2, k);
            int count = Math.Max(1, (int)(slotCount * binomial * Math.Pow(0.2, Folds - k) * Math.Pow(0.8, k)));
            if (k == Folds)
                count = slotCount - first;

            slices[k] = (k == Folds ? uint.MaxValue : (uint)(picks * uint.MaxValue), first, count);
            first += count;
            binomial = binomial * (Folds - k) / (k + 1);
        }

        return slices;
    }
}
