using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Frees that must be refused because the block is free already.
        private static class DoubleFree
        {
            internal static bool IsRefused(void* block)
            {
                try
                {
                    Free(block);
                    return false;
                }
                catch (ArgumentException)
                {
                    return true;
                }
            }

            // Has two threads free the same block at the same moment, many times, and demands that one of them is refused each time.
            internal static void Race(nuint size)
            {
                const int rounds = 5_000;
                void* pin = Alloc(size);
                nuint block = 0;
                int arrivals = 0;
                int refused = 0;
                Threads.Run(2, number =>
                {
                    for (int round = 0; round < rounds && Volatile.Read(ref refused) == round; round++)
                    {
                        if (number == 0)
                            block = (nuint)Alloc(size);
                        // Both leave here within nanoseconds of each other.
                        AwaitTheOther(ref arrivals, 4 * round + 2);
                        if (IsRefused((void*)block))
                            Interlocked.Increment(ref refused);
                        AwaitTheOther(ref arrivals, 4 * round + 4);
                    }
                });
                Expect.True(refused == rounds, $"size {size}: in round {refused} not one of two frees was refused");
                Expect.Equal(UsableSize(pin), (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp(pin);
                Free(pin);
            }

            private static void AwaitTheOther(ref int arrivals, int count)
            {
                Interlocked.Increment(ref arrivals);
                SpinWait wait = default;
                while (Volatile.Read(ref arrivals) < count)
                    wait.SpinOnce(sleep1Threshold: -1);
            }
        }
    }
}
