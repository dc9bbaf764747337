using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

// rptest: mixed sizes, random lifetimes, and batches that another thread frees. Sizes of 8 to 16 000 bytes fall off linearly, from a table
// of 2000. A thread has 1000 slots; each of 500 loops frees 24 to 79 of them at a prime stride, frees what others handed over, fills 30 to
// 99 slots at another stride (alignment 0, 8 or 16; first word, one byte of each page and the last one written), and every second loop
// allocates as many blocks as one batch for the next thread. There two passes, here 400.
internal sealed unsafe class RpTest() : Workload("rptest")
{
    private const int Passes = 400;
    private const int QuickPasses = 4;
    private const int Loops = 500;
    private const int Slots = 1000;
    private const int SizeCount = 2000;
    private const uint SmallestSize = 8;
    private const uint LargestSize = 16_000;
    private const int OsPageSize = 4096;

    private static readonly int[] s_strides = [23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107];

    // Blocks that one thread hands to another: itself a block, with the pointers behind it.
    private struct BatchOfBlocks
    {
        internal nint Next;
        internal int Count;
    }

    internal override void Run<TAllocator>(int threads, bool quick)
    {
        nint[] handedOver = new nint[threads];
        int passes = quick ? QuickPasses : Passes;
        int atWork = threads;
        Crew.Run(threads, thread =>
        {
            RunThread<TAllocator>(thread, passes, handedOver);
            Interlocked.Decrement(ref atWork);

            // What is handed to a thread that has finished early must not pile up.
            SpinWait wait = default;
            while (Volatile.Read(ref atWork) > 0)
            {
                FreeBatches<TAllocator>(ref handedOver[thread]);
                wait.SpinOnce();
            }
        });
        for (int thread = 0; thread < threads; thread++)
            FreeBatches<TAllocator>(ref handedOver[thread]);
    }

    private static void RunThread<TAllocator>(int thread, int passes, nint[] handedOver)
        where TAllocator : struct, IAllocator
    {
        XorShift random = new((ulong)thread);
        uint[] sizes = CreateSizes(ref random);
        nint[] slots = new nint[Slots];
        int sizeIndex = 0;
        for (int pass = 0; pass < passes; pass++)
        {
            for (int loop = 0; loop < Loops; loop++)
            {
                int frees = 24 + (int)random.Below(56);
                int stride = s_strides[random.Below((uint)s_strides.Length)];
                int slot = (int)random.Below(Slots);
                for (int i = 0; i < frees; i++, slot = (slot + stride) % Slots)
                {
                    TAllocator.Free((void*)slots[slot]);
                    slots[slot] = 0;
                }

                FreeBatches<TAllocator>(ref handedOver[thread]);

                int allocations = 30 + (int)random.Below(70);
                stride = s_strides[random.Below((uint)s_strides.Length)];
                slot = (int)random.Below(Slots);
                for (int i = 0; i < allocations; i++, slot = (slot + stride) % Slots)
                {
                    TAllocator.Free((void*)slots[slot]);
                    slots[slot] = Allocate<TAllocator>(sizes[sizeIndex++ % SizeCount], random.Below(3) * 8);
                }

                if (loop % 2 == 0)
                    HandOver<TAllocator>(ref handedOver[(thread + 1) % handedOver.Length], allocations, sizes, ref sizeIndex);
            }

            foreach (ref nint slot in slots.AsSpan())
            {
                TAllocator.Free((void*)slot);
                slot = 0;
            }
        }
    }

    private static uint[] CreateSizes(ref XorShift random)
    {
        uint[] sizes = new uint[SizeCount];
        for (int i = 0; i < sizes.Length; i++)
            sizes[i] = SmallestSize + (uint)((LargestSize - SmallestSize) * Math.Abs(random.NextDouble() + random.NextDouble() - 1));

        return sizes;
    }

    private static nint Allocate<TAllocator>(uint size, uint alignment)
        where TAllocator : struct, IAllocator
    {
        byte* block = (byte*)(alignment == 0 ? TAllocator.Alloc(size) : TAllocator.AlignedAlloc(size, alignment));
        *(int*)block = (int)size;
        for (uint i = OsPageSize; i < size; i += OsPageSize)
            block[i] = 1;

        block[size - 1] = 1;
        return (nint)block;
    }

    private static void HandOver<TAllocator>(ref nint target, int count, uint[] sizes, ref int sizeIndex)
        where TAllocator : struct, IAllocator
    {
        BatchOfBlocks* batch = (BatchOfBlocks*)TAllocator.Alloc((nuint)(sizeof(BatchOfBlocks) + count * sizeof(nint)));
        batch->Count = count;
        nint* blocks = (nint*)(batch + 1);
        for (int i = 0; i < count; i++)
            blocks[i] = Allocate<TAllocator>(sizes[sizeIndex++ % SizeCount], 0);

        // Once the exchange succeeds the batch is the other thread's, which may have freed it already: its link is not read again.
        nint next;
        do
        {
            next = Volatile.Read(ref target);
            batch->Next = next;
        }
        while (Interlocked.CompareExchange(ref target, (nint)batch, next) != next);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FreeBatches<TAllocator>(ref nint list)
        where TAllocator : struct, IAllocator
    {
        BatchOfBlocks* batch = (BatchOfBlocks*)Interlocked.Exchange(ref list, 0);
        while (batch != null)
        {
            nint* blocks = (nint*)(batch + 1);
            for (int i = 0; i < batch->Count; i++)
                TAllocator.Free((void*)blocks[i]);

            BatchOfBlocks* next = (BatchOfBlocks*)batch->Next;
            TAllocator.Free(batch);
            batch = next;
        }
    }
}
