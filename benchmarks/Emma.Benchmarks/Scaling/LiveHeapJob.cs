using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;

namespace Emma.Benchmarks.Scaling;

// A heap that grows: at each size random blocks of 16 to 527 bytes give way to new ones. Beside it, what the cache misses alone cost:
// random blocks written, none allocated. Writes a line for each size: MiB, ns per replacement, ns per write.
internal sealed unsafe class LiveHeapJob(int mostMegabytes, int operations) : IPeerAction
{
    internal const string Name = "live-heap";

    private const uint SmallestSize = 16;
    private const uint SizeMask = 511;
    private const int MeanSize = (int)(SmallestSize + SizeMask / 2);

    // Each size is measured so often, and the least time counts.
    private const int Rounds = 3;

    private const int WarmUpCalls = 60;
    private const int WarmUpOperations = 1000;

    internal static LiveHeapJob Parse(string[] args) =>
        new(int.Parse(args[0], CultureInfo.InvariantCulture), int.Parse(args[1], CultureInfo.InvariantCulture));

    // The sizes of the live heap, in MiB.
    internal static IEnumerable<int> Steps(int mostMegabytes)
    {
        for (int megabytes = 1; megabytes <= mostMegabytes; megabytes *= 4)
            yield return megabytes;
    }

    public void Invoke<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        nint[] blocks = [];
        XorShift random = new(3);
        foreach (int megabytes in Steps(mostMegabytes))
        {
            int filled = blocks.Length;
            Array.Resize(ref blocks, (int)(((long)megabytes << 20) / MeanSize));
            for (int i = filled; i < blocks.Length; i++)
                blocks[i] = Allocate<TAllocator>(ref random);

            for (int i = 0; filled == 0 && i < WarmUpCalls; i++)
            {
                Replace<TAllocator>(blocks, WarmUpOperations, ref random);
                Write(blocks, WarmUpOperations, ref random);
            }

            double replacement = double.MaxValue;
            double write = double.MaxValue;
            for (int round = 0; round < Rounds; round++)
            {
                long start = Stopwatch.GetTimestamp();
                Replace<TAllocator>(blocks, operations, ref random);
                replacement = Math.Min(replacement, Stopwatch.GetElapsedTime(start).TotalNanoseconds / operations);

                start = Stopwatch.GetTimestamp();
                Write(blocks, operations, ref random);
                write = Math.Min(write, Stopwatch.GetElapsedTime(start).TotalNanoseconds / operations);
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{megabytes} {replacement} {write}"));
        }
    }

    private static nint Allocate<TAllocator>(ref XorShift random)
        where TAllocator : struct, IAllocator
    {
        byte* block = (byte*)TAllocator.Alloc(SmallestSize + (random.Next() & SizeMask));
        *block = 1;
        return (nint)block;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Replace<TAllocator>(nint[] blocks, int times, ref XorShift random)
        where TAllocator : struct, IAllocator
    {
        for (; times > 0; times--)
        {
            ref nint block = ref blocks[random.Below((uint)blocks.Length)];
            TAllocator.Free((void*)block);
            block = Allocate<TAllocator>(ref random);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Write(nint[] blocks, int times, ref XorShift random)
    {
        for (; times > 0; times--)
            *(byte*)blocks[random.Below((uint)blocks.Length)] = (byte)random.Next();
    }
}
