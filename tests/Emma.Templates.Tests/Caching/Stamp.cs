using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Fills blocks with patterns that no two of them share, and demands that they are found again.
        private static class Stamp
        {
            private static long s_last;

            internal static ShadowBlock Write(void* block, nuint size)
            {
                ShadowBlock stamped = new ShadowBlock((nuint)block, size, 16, (ulong)Interlocked.Increment(ref s_last));
                Expect.True((nuint)block % 16 == 0, $"{stamped} is not aligned");
                Pattern.Write(block, size, stamped.Seed);
                return stamped;
            }

            internal static ShadowBlock Alloc(nuint size) => Write(EmmaHeap.Alloc(size), size);

            internal static void Check(ShadowBlock block, string context = "")
            {
                long difference = Pattern.FirstDifference((void*)block.Address, block.Size, block.Seed);
                if (difference >= 0)
                    Expect.Fail($"{block}: byte {difference} has changed {context}");
            }

            internal static void CheckAndFree(ShadowBlock block, string context = "")
            {
                Check(block, context);
                Free((void*)block.Address);
            }

            // A size: mostly small, at most most.
            internal static nuint AnySize(Random random, int most) => (nuint)(random.Next(4) switch
            {
                0 => random.Next(1, 65),
                1 or 2 => random.Next(1, 1025),
                _ => random.Next(1, most + 1),
            });
        }
    }
}
