using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class Scenarios
        {
            private const int ForkThreads = 8;
            private const int KeptByThread = 400;
            // Turns of a millisecond that a child has before it is killed.
            private const int TurnsOfAChild = 60_000;

            // What a thread keeps: addresses that are set once a block is whole and cleared before it is freed. Not on the managed heap.
            private static nuint* s_kept;
            private static int s_stop;

            /// <summary>
            /// Forks at random moments. The child, which has the memory of all threads and only one of them, checks and frees every block
            /// that they kept, and allocates. It runs only what has been compiled, and neither collects garbage nor throws.
            /// </summary>
            public static void ForkWhileThreadsUseTheHeap()
            {
                int forks = int.Parse(Environment.GetEnvironmentVariable("EMMA_FORKS") ?? $"{Length.Of(10, 150)}");
                int seed = int.Parse(Environment.GetEnvironmentVariable("EMMA_SEED") ?? "1");
                PrepareToFork();
                s_kept = (nuint*)NativeMemory.AllocZeroed(ForkThreads * KeptByThread, (nuint)sizeof(nuint));
                // Compiled and bound by being run; what it frees are no blocks yet.
                Must(WorkOfChild() == 0, "the work of a child fails in its parent");
                HostWatch? watch = WatchIfWanted();
                Thread[] threads = new Thread[ForkThreads];
                for (int i = 0; i < threads.Length; i++)
                {
                    int thread = i;
                    threads[i] = new Thread(() => UseUntilStopped(thread, (uint)(seed * ForkThreads + thread + 1)));
                    threads[i].Start();
                }

                var random = new Random(seed);
                long begin = Stopwatch.GetTimestamp();
                for (int i = 0; i < forks; i++)
                {
                    Thread.SpinWait(random.Next(20_000));
                    int status = ForkAndWait(fail: false);
                    if (status != 0)
                        Must(false, $"seed {seed}, fork {i}: the child ended with status 0x{status:x}");
                }

                double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
                Volatile.Write(ref s_stop, 1);
                Array.ForEach(threads, thread => thread.Join());
                watch?.Dispose();
                Must(WorkOfChild() == 0, $"seed {seed}: the parent's blocks have changed");
                AssertStatisticsAddUp();
                Console.WriteLine($"{forks} forks in {seconds:f1} s");
            }

            /// <summary>The child's kernel id is not the one its cache bears, and the kernel says of that that it is dead.</summary>
            public static void ForkAndKeepTheCache()
            {
                PrepareToFork();
                Must(UseAndReclaim() == 0, "the work of a child fails in its parent");
                for (int i = 0; i < 20; i++)
                {
                    nuint inHand = (nuint)Alloc(200);
                    int child = Libc.Fork();
                    if (child == 0)
                        Libc.Exit(UseAndReclaim());

                    Must(WaitFor(child) == 0, $"fork {i}: the child gave blocks out twice");
                    Free((void*)inHand);
                }

                // The children have noticed what they are.
                Must(Names->GivenBeforeFork == 0, "the parent takes itself for a forked child");
            }

            public static void ForkBesideTenHeldLocks()
            {
                const int count = 10;
                const int shared = 0x01 | 0x20;
                PrepareToFork();
                using var kernel = new FaultyKernel();
                Lock* locks = (Lock*)NativeMemory.AllocZeroed(count, (nuint)sizeof(Lock));
                long* figures = (long*)Libc.Map(null, 4096, Syscalls.ProtReadWrite, shared, -1, 0);
                // Compiled and bound by being run: nobody holds them yet.
                Must(TakeOver(locks, count, kernel, figures) == count, "a free lock is said to be a dead thread's");
                using var held = new ManualResetEventSlim();
                using var forked = new ManualResetEventSlim();
                Thread holder = new Thread(() =>
                {
                    for (int i = 0; i < count; i++)
                        locks[i].Acquire();
                    held.Set();
                    forked.Wait();
                    for (int i = 0; i < count; i++)
                        locks[i].Release();
                });
                holder.Start();
                held.Wait();
                int child = Libc.Fork();
                if (child == 0)
                    Libc.Exit(TakeOver(locks, count, kernel, figures));

                Must(WaitFor(child) == 0, "the child did not take all locks over");
                forked.Set();
                holder.Join();
                Console.WriteLine($"ten locks: {Stopwatch.GetElapsedTime(0, figures[0]).TotalMilliseconds} ms, {figures[1]} sleeps");
                Must(figures[1] <= 1, $"the child slept {figures[1]} times");
            }

            // Takes locks and gives them back. Returns how many were not a dead thread's.
            private static int TakeOver(Lock* locks, int count, FaultyKernel kernel, long* figures)
            {
                int alive = 0;
                long sleeps = kernel.CountOf(CallKind.FutexWait);
                long start = Stopwatch.GetTimestamp();
                for (int i = 0; i < count; i++)
                {
                    alive += locks[i].Acquire() ? 0 : 1;
                    locks[i].Release();
                }

                figures[0] = Stopwatch.GetTimestamp() - start;
                figures[1] = kernel.CountOf(CallKind.FutexWait) - sleeps;
                return alive;
            }

            private static int UseAndReclaim()
            {
                const int count = 2000;
                nuint* blocks = stackalloc nuint[count];
                for (int round = 0; round < 4; round++)
                {
                    for (int i = 0; i < count; i++)
                    {
                        blocks[i] = (nuint)Alloc(200);
                        *(nuint*)blocks[i] = blocks[i] + (nuint)i;
                        // Has owners asked for while the magazines are half full.
                        if (i == 1000)
                            Small->ReclaimBeforeMapping();
                    }

                    for (int i = 0; i < count; i++)
                    {
                        if (*(nuint*)blocks[i] != blocks[i] + (nuint)i)
                            return 1;
                        Free((void*)blocks[i]);
                    }
                }

                return 0;
            }

            // To be called before the first fork. CoreCLR maps the memory of its code twice, and shares it with forked children: what
            // parent and child compile at the same time they compile into the same place. So what either runs has been compiled before.
            private static void PrepareToFork()
            {
                Assumption.NotWindows("there is no fork.");
                Prepare();
                Marshal.PrelinkAll(typeof(Libc));
                foreach (string name in (string[])[nameof(WaitFor), nameof(Must)])
                {
                    MethodInfo method = typeof(Scenarios).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Static)!;
                    RuntimeHelpers.PrepareMethod(method.MethodHandle);
                }

                Must(ForkAndWait(fail: true) != 0, "a failed child is not noticed");
            }

            private static int ForkAndWait(bool fail)
            {
                int child = Libc.Fork();
                if (child == 0)
                    Libc.Exit(fail ? 1 : WorkOfChild());

                return WaitFor(child);
            }

            private static int WaitFor(int child)
            {
                const int noHang = 1, interrupted = 4, sigkill = 9;
                int status = 0;
                for (int turn = 0, ended = 0; ended != child; turn++)
                {
                    ended = Libc.WaitFor(child, &status, noHang);
                    Must(ended >= 0 || Marshal.GetLastSystemError() == interrupted, "waitpid failed");
                    if (turn == TurnsOfAChild)
                        _ = Libc.Kill(child, sigkill);
                    if (ended == 0)
                        Thread.Sleep(1);
                }

                return status;
            }

            private static int WorkOfChild()
            {
                for (int i = 0; i < ForkThreads * KeptByThread; i++)
                {
                    nuint block = s_kept[i];
                    if (block == 0)
                        continue;

                    nuint size = *(nuint*)block;
                    if (*(nuint*)(block + size - 8) != (block ^ size))
                        return 2;
                    s_kept[i] = 0;
                    Free((void*)block);
                }

                uint state = 12345;
                for (int i = 0; i < KeptByThread; i++)
                    s_kept[i] = NewBlock(ref state);
                for (int i = 0; i < KeptByThread; i++)
                {
                    nuint block = s_kept[i];
                    if (*(nuint*)(block + *(nuint*)block - 8) != (block ^ *(nuint*)block))
                        return 3;
                    s_kept[i] = 0;
                    Free((void*)block);
                }

                Trim();
                return (nuint)GetStatistics().MappedBytes == 0 ? 4 : 0;
            }

            // A block that says at both ends how large it is.
            private static nuint NewBlock(ref uint state)
            {
                uint random = Next(ref state);
                nuint size = (random & 255) switch
                {
                    0 => 2_500_000,
                    < 4 => 40_000 + random % 200_000,
                    < 40 => 1000 + random % 30_000,
                    _ => 16 + random % 500,
                } & ~(nuint)7;
                nuint block = (nuint)Alloc(size);
                *(nuint*)block = size;
                *(nuint*)(block + size - 8) = block ^ size;
                return block;
            }

            private static uint Next(ref uint state)
            {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                return state;
            }

            private static void UseUntilStopped(int thread, uint seed)
            {
                uint state = unchecked(seed * 2654435761) | 1;
                nuint* kept = s_kept + thread * KeptByThread;
                while (Volatile.Read(ref s_stop) == 0)
                {
                    ref nuint slot = ref kept[Next(ref state) % KeptByThread];
                    nuint block = slot;
                    if (block == 0)
                    {
                        Volatile.Write(ref slot, NewBlock(ref state));
                        continue;
                    }

                    nuint size = *(nuint*)block;
                    // No message unless there is one to give: garbage would be collected, and a process forked meanwhile would wait for the
                    // end of that.
                    if (*(nuint*)(block + size - 8) != (block ^ size))
                        Must(false, $"seed {seed}: a block has changed");
                    Volatile.Write(ref slot, 0);
                    Free((void*)block);
                    if (Next(ref state) % 20_000 == 0)
                        Trim();
                }
            }
        }
    }
}
