using System.Runtime.InteropServices;

[assembly: EmmaAllocator("Consumer.Memory.WorkoutHeap", BoundaryChecks = false)]

namespace Consumer.Memory;

// The program of every project that only differs in how it is built and run: all kinds of blocks, on several threads, each block checked
// byte for byte. The last line says on which runtime, and how the heap reached the kernel.
internal static unsafe partial class Workout
{
    private const int ThreadCount = 4;
    private const int StepCount = 4000;
    private const int LiveBlocks = 64;

    private static int s_failures;

    private static int Main()
    {
        var threads = new Thread[ThreadCount];
        for (int i = 0; i < ThreadCount; i++)
        {
            int seed = i;
            threads[i] = new Thread(() => AllocateAndFreeAtRandom(seed));
            threads[i].Start();
        }

        foreach (Thread thread in threads)
            thread.Join();

        Expect(WorkoutHeap.GetStatistics().InUseBytes == 0, "every block was freed, but the heap has bytes in use");
        CheckSpecialBlocks();
        CheckRefusals();
        CheckMore();
        CheckManaged();
        CheckHost();
        WorkoutHeap.Trim();
        WorkoutHeap.Destroy();
        WorkoutHeap.Free(WorkoutHeap.Alloc(64));

        Console.WriteLine($"{RuntimeInformation.FrameworkDescription}; {WorkoutHeap.Kernel}");
        return s_failures == 0 ? 0 : 1;
    }

    // What only some of the projects do.
    static partial void CheckMore();

    static partial void CheckManaged();

    static partial void CheckHost();

    // Every byte of a block holds the block's own mark, which is looked at before the block is resized or freed.
    private static void AllocateAndFreeAtRandom(int seed)
    {
        var random = new Random(seed);
        byte** blocks = (byte**)WorkoutHeap.AllocZeroed(LiveBlocks, (nuint)sizeof(byte*));
        nuint* sizes = WorkoutHeap.Alloc<nuint>(LiveBlocks);
        for (int step = 0; step < StepCount; step++)
        {
            int i = random.Next(LiveBlocks);
            byte mark = (byte)(i + 1);
            if (blocks[i] != null)
            {
                Expect(HoldsOnly(blocks[i], sizes[i], mark), $"seed {seed}, step {step}: a block of {sizes[i]} bytes has changed");
                if (random.Next(2) == 0)
                {
                    WorkoutHeap.Free(blocks[i]);
                    blocks[i] = null;
                    continue;
                }
            }

            nuint size = (nuint)random.Next(1, 1 << random.Next(4, 18));
            byte* block = (byte*)WorkoutHeap.Realloc(blocks[i], size);
            if (blocks[i] != null)
                Expect(HoldsOnly(block, Math.Min(size, sizes[i]), mark),
                    $"seed {seed}, step {step}: {sizes[i]} to {size} bytes lost contents");

            WorkoutHeap.Fill(block, size, mark);
            blocks[i] = block;
            sizes[i] = size;
        }

        for (int i = 0; i < LiveBlocks; i++)
            WorkoutHeap.Free(blocks[i]);

        WorkoutHeap.Free(sizes);
        WorkoutHeap.Free(blocks);
    }

    private static void CheckSpecialBlocks()
    {
        void* empty = WorkoutHeap.Alloc(0);
        Expect(empty != null, "no block for size 0");
        WorkoutHeap.Free(empty);
        WorkoutHeap.Free(null);

        for (nuint alignment = 1; alignment <= 1 << 21; alignment <<= 1)
        {
            void* aligned = WorkoutHeap.AlignedAlloc(100, alignment);
            Expect((nuint)aligned % alignment == 0, $"a block is not aligned to {alignment}");
            WorkoutHeap.AlignedFree(aligned);
        }

        const nuint Large = 5 << 20;
        byte* large = (byte*)WorkoutHeap.AllocZeroed(Large);
        Expect(HoldsOnly(large, Large, 0), "a large block of zeros is not zero");
        WorkoutHeap.Fill(large, Large, 7);
        large = (byte*)WorkoutHeap.Realloc(large, 4 * Large);
        Expect(HoldsOnly(large, Large, 7), "a large block lost its contents while it grew");
        WorkoutHeap.Free(large);

        Span<long> span = WorkoutHeap.AllocSpan<long>(1000);
        span.Fill(long.MinValue);
        WorkoutHeap.Free(span);
    }

    private static void CheckRefusals()
    {
        int local = 0;
        Expect(Throws<OutOfMemoryException>(() => WorkoutHeap.Alloc(nuint.MaxValue)), "a size beyond all memory is not out of memory");
        Expect(Throws<OutOfMemoryException>(() => WorkoutHeap.Alloc(nuint.MaxValue / 2, 3)), "a size that overflows is not out of memory");
        Expect(Throws<ArgumentException>(() => WorkoutHeap.AlignedAlloc(8, 3)), "an alignment of 3 is not refused");
        Expect(WorkoutHeap.TryAlloc(nuint.MaxValue - 7) == null, "TryAlloc found room beyond all memory");
        nint foreign = (nint)(&local);
        Expect(Throws<Exception>(() => WorkoutHeap.Free((void*)foreign)), "a pointer to the stack is not refused");
        Expect(!WorkoutHeap.Owns((void*)nuint.MaxValue) && !WorkoutHeap.Owns(null), "the heap owns memory that cannot be its");
    }

    private static bool HoldsOnly(byte* block, nuint size, byte mark) =>
        !new ReadOnlySpan<byte>(block, checked((int)size)).ContainsAnyExcept(mark);

    private static bool Throws<TException>(Action action)
        where TException : Exception
    {
        try
        {
            action();
            return false;
        }
        catch (TException)
        {
            return true;
        }
    }

    private static void Expect(bool holds, string otherwise)
    {
        if (holds)
            return;

        Interlocked.Increment(ref s_failures);
        Console.Error.WriteLine(otherwise);
    }
}
