using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace ThreadLookup;

// What one thread does: a pair of 64 bytes, 100 blocks first in first out, 1000 live blocks of 16 to 527 bytes replaced at random.
internal static unsafe class Patterns<TAllocator>
    where TAllocator : struct, IAllocator
{
    private const int Burst = 100;
    private const int Live = 1024;

    private static readonly nint[] s_blocks = new nint[Live];

    internal static Func<int, TimeSpan>[] All => [count => Time(Pair, count), count => Time(Fifo, count), Replace];

    private static TimeSpan Time(Action<int, nuint> pattern, int count)
    {
        long start = Stopwatch.GetTimestamp();
        pattern(count, 64);
        return Stopwatch.GetElapsedTime(start);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Pair(int count, nuint size)
    {
        for (; count > 0; count--)
        {
            byte* block = (byte*)TAllocator.Alloc(size);
            *block = 1;
            TAllocator.Free(block);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fifo(int count, nuint size)
    {
        nint[] blocks = s_blocks;
        for (; count > 0; count -= Burst)
        {
            for (int i = 0; i < Burst; i++)
            {
                byte* block = (byte*)TAllocator.Alloc(size);
                *block = 1;
                blocks[i] = (nint)block;
            }

            for (int i = 0; i < Burst; i++)
                TAllocator.Free((void*)blocks[i]);
        }
    }

    private static TimeSpan Replace(int count)
    {
        for (int i = 0; i < Live; i++)
            s_blocks[i] = (nint)TAllocator.Alloc(SizeFrom((uint)i));
        long start = Stopwatch.GetTimestamp();
        ReplaceRandomly(count);
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        for (int i = 0; i < Live; i++)
            TAllocator.Free((void*)s_blocks[i]);
        return time;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ReplaceRandomly(int count)
    {
        nint[] blocks = s_blocks;
        uint random = 12345;
        for (; count > 0; count--)
        {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            ref nint slot = ref blocks[random & (Live - 1)];
            TAllocator.Free((void*)slot);
            byte* block = (byte*)TAllocator.Alloc(SizeFrom(random >> 10));
            *block = 1;
            slot = (nint)block;
        }
    }

    private static nuint SizeFrom(uint random) => 16 + (random & 511);
}
