using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Of two frees of a block by one thread, with nothing of its class between, the second is refused.</summary>
        public sealed class DoubleFreeTests : HeapTest
        {
            // Of classes that share cache lines and that do not, of page runs that are kept and that are not, and of a mapping of its own.
            public static TheoryData<int> Sizes => [1, 16, 64, 100, 128, 1000, 4000, 32 << 10, 33_000, 100_000, 200_000, 300_000, 5 << 20];

            public static MatrixTheoryData<int, bool> SizesAndWays => new(Sizes.Select(size => size.Data), [false, true]);

            [Theory]
            [MemberData(nameof(SizesAndWays))]
            public void The_second_of_two_frees_is_refused_however_many_blocks_are_kept(int size, bool locally)
            {
                const int blocks = 300;
                const int most = 16 << 20;
                int count = Math.Min(blocks, most / size);
                Threads.Run(1, _ => FreeEachTwice(count, (nuint)size, locally));
            }

            /// <summary>The thread has allocated none of the class, and so begins with what another one has freed.</summary>
            [Theory]
            [MemberData(nameof(SizesAndWays))]
            public void The_second_free_of_another_threads_block_is_refused(int size, bool locally)
            {
                const int blocks = 3;
                nuint[] others = [.. Enumerable.Range(0, blocks).Select(_ => (nuint)Alloc((nuint)size))];
                Threads.Run(1, _ =>
                {
                    foreach (nuint block in others)
                    {
                        FreeTwice((void*)block, locally);
                        // The refusal changed nothing.
                        AssertRefused((void*)block, locally);
                    }

                    AssertAllDiffer(blocks, (nuint)size);
                });
            }

            [Theory]
            [MemberData(nameof(Sizes))]
            public void A_block_that_was_handed_out_again_may_be_freed_again(int size)
            {
                Threads.Run(1, _ =>
                {
                    for (int i = 0; i < 100; i++)
                        Free(Alloc((nuint)size));
                    nuint other = (nuint)Alloc((nuint)size);
                    Free(Alloc((nuint)size));
                    Free((void*)other);
                });
            }

            internal static void FreeEachTwice(int count, nuint size, bool locally)
            {
                List<nuint> live = [];
                while (live.Count < count)
                    live.Add((nuint)Alloc(size));
                foreach (nuint block in live)
                    FreeTwice((void*)block, locally);
                AssertAllDiffer(count, size);
            }

            private static void FreeTwice(void* block, bool locally)
            {
                if (locally)
                    Local.Free(block);
                else
                    Free(block);
                AssertRefused(block, locally);
            }

            private static void AssertRefused(void* block, bool locally)
            {
                nuint address = (nuint)block;
                Exception refusal = Expect.Throws<ArgumentException>(() =>
                {
                    if (locally)
                        Local.Free((void*)address);
                    else
                        Free((void*)address);
                });
                Expect.Contains($"0x{address:x}", refusal.Message);
            }

            private static void AssertAllDiffer(int count, nuint size)
            {
                HashSet<nuint> blocks = [];
                for (int i = 0; i < 2 * count; i++)
                    Expect.True(blocks.Add((nuint)Alloc(size)));
                foreach (nuint block in blocks)
                    Free((void*)block);
            }
        }
    }
}
