using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Two threads that use one block, against the rules. What they do to it is no corruption: the process, which corruption would end,
        /// is one of its own.
        /// </summary>
        public sealed class UseBesideFreeTests
        {
            [Fact]
            public void Who_resizes_a_block_or_asks_for_its_size_while_another_thread_frees_it_is_refused() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseBesideFree));
        }

        public static partial class Scenarios
        {
            /// <summary>Each round one thread uses a block over and over, and the other frees it.</summary>
            public static void UseBesideFree()
            {
                const int rounds = 300;
                var random = new Random(5);
                nuint block = 0;
                bool ends = false;
                int refusals = 0;
                var user = new Thread(() =>
                {
                    while (!Volatile.Read(ref ends))
                    {
                        nuint used = Volatile.Read(ref block);
                        if (used == 0)
                        {
                            Thread.Yield();
                            continue;
                        }

                        while (Accepts(() => UseOnce(used)))
                        {
                        }

                        refusals++;
                        Volatile.Write(ref block, 0);
                    }
                });
                user.Start();
                for (int round = 0; round < rounds; round++)
                {
                    nuint shared = (nuint)Alloc(UsedSize);
                    Volatile.Write(ref block, shared);
                    for (int wait = random.Next(200, 2000); wait > 0; wait--)
                        Volatile.Read(ref block);
                    // Whoever resizes it owns it for a moment.
                    while (!Accepts(() => Free((void*)shared)))
                    {
                    }

                    while (Volatile.Read(ref block) != 0)
                        Thread.Yield();
                }

                Volatile.Write(ref ends, true);
                user.Join();
                Expect.Equal(rounds, refusals);
            }

            private const nuint UsedSize = 50;

            private static void UseOnce(nuint block)
            {
                Realloc((void*)block, UsedSize + 4);
                UsableSize((void*)block);
                Realloc((void*)block, UsedSize);
            }

            private static bool Accepts(Action act)
            {
                try
                {
                    act();
                    return true;
                }
                catch (ArgumentException)
                {
                    return false;
                }
            }
        }
    }
}
