using System.Diagnostics;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class Scenarios
        {
            // What a thread does when it dies, chosen so that together the acts take every lock and every way through the layers. None uses
            // the managed heap.
            internal static readonly (string Name, Action Run)[] Acts =
            [
                ("one block", () => Free(Alloc(64))),
                ("magazines", () => AllocateAndFree(14, 30_000)),
                ("slabs", () => AllocateAndFree(5, 14_000)),
                ("page runs", UsePageRuns),
                ("page runs cut short", CutPageRuns),
                ("large blocks", UseLargeBlocks),
                ("trimming", () =>
                {
                    AllocateAndFree(20, 512);
                    Trim();
                }),
                ("counting", () => GetStatistics()),
                ("calls of C's", UseFromC),
                ("too many free pages", PurgePages),
                ("a cache that gives way", GiveWay),
            ];

            // A run that its thread cuts shorter, if it lives.
            private static nuint s_run;

            private static int s_victim;
            private static int s_completed;

            /// <summary>Has threads die in an act, one after the other, and uses the heap after each as if nothing had been.</summary>
            public static void ThreadsDie()
            {
                string name = Environment.GetEnvironmentVariable("EMMA_ACT")!;
                int number = Array.FindIndex(Acts, a => a.Name == name);
                Action act = Acts[number].Run;
                int deaths = int.Parse(Environment.GetEnvironmentVariable("EMMA_DEATHS") ?? $"{Length.Of(1, 12)}");
                int seed = int.Parse(Environment.GetEnvironmentVariable("EMMA_SEED") ?? "1");
                SingleStep.Install();
                var random = new Random(seed);
                nuint[] live = new nuint[200];
                for (int i = 0; i < live.Length; i++)
                {
                    live[i] = (nuint)Alloc(SizeOfLive(i));
                    Pattern.Write((void*)live[i], SizeOfLive(i), (ulong)i);
                }

                // Everything is compiled and has been run by the time that a thread dies.
                Array.ForEach(Acts, a => a.Run());
                RunVictim(act, long.MaxValue, withCache: true);
                long steps = long.MaxValue - SingleStep.StepsLeft;
                HostWatch? watch = WatchIfWanted();
                nuint before = (nuint)GetStatistics().MappedBytes;
                long slowest = 0;
                using Metronome metronome = new Metronome();
                for (int i = 0; i < deaths; i++)
                {
                    long step = 1 + random.NextInt64(steps);
                    string where = $"seed {seed}, death {i} at step {step} of {steps} of {name}";
                    RunVictim(act, step, withCache: (number + i) % 4 != 0);
                    long begin = metronome.Turns;
                    Array.ForEach(Acts, a => a.Run());
                    slowest = Math.Max(slowest, metronome.Turns - begin);
                    for (int k = 0; k < live.Length; k++)
                    {
                        if (Pattern.FirstDifference((void*)live[k], SizeOfLive(k), (ulong)k) >= 0)
                            Must(false, $"{where}: block {k} has changed");
                    }
                }

                Must(slowest < 10_000, $"seed {seed}: the heap stood still for {slowest} turns of a millisecond");
                watch?.Dispose();
                for (int i = 0; i < live.Length; i++)
                    Free((void*)live[i]);
                Trim();
                nuint lost = (nuint)GetStatistics().MappedBytes;
                Console.WriteLine($"{name}: {deaths} deaths within {steps} steps; {before >> 10} KiB mapped before, {lost >> 10} KiB " +
                    $"when all is freed; slowest {slowest} turns of a millisecond");
                // What one dead thread may cost is a segment, what its cache held, or the large block in its hands.
                Must(lost < (nuint)deaths * MostLostByOne, $"seed {seed}: {deaths} deaths lost {lost} bytes");
                Destroy();
                Must((nuint)GetStatistics().MappedBytes == KernelEntry.MappedBytes,
                    $"seed {seed}: {(nuint)GetStatistics().MappedBytes} bytes are counted after Destroy");
                Array.ForEach(Acts, a => a.Run());
                Libc.Exit(0);
            }

            // A cache of 7 MiB, a segment, and the largest blocks of the acts, before and after they are moved.
            private const nuint MostLostByOne = (nuint)160 << 20;

            private static nuint SizeOfLive(int index) => (nuint)(16 + index * index * 3);

            private static void Must(bool holds, string otherwise)
            {
                if (holds)
                    return;

                Console.Error.WriteLine(otherwise);
                Libc.Exit(1);
            }

            // Runs an act on a thread of its own, which dies at some step if it comes that far.
            private static void RunVictim(Action act, long steps, bool withCache)
            {
                Volatile.Write(ref s_victim, 0);
                Volatile.Write(ref s_completed, 0);
                var victim = new Thread(() =>
                {
                    // The runtime makes a thread's statics at their first use, under locks of its own.
                    int id = CurrentThread.Id;
                    if (withCache)
                        Free(Alloc(64));
                    SingleStep.StepsLeft = steps;
                    Volatile.Write(ref s_victim, id);
                    SingleStep.Start();
                    act();
                    SingleStep.Stop();
                    Volatile.Write(ref s_completed, 1);
                });
                victim.Start();
                while (Volatile.Read(ref s_completed) == 0
                    && (Volatile.Read(ref s_victim) == 0 || !CurrentThread.IsDead(Volatile.Read(ref s_victim))))
                    Thread.Yield();
            }

            private static void AllocateAndFree(int count, nuint size)
            {
                nuint* blocks = stackalloc nuint[count];
                for (int i = 0; i < count; i++)
                {
                    blocks[i] = (nuint)Alloc(size);
                    *(nuint*)blocks[i] = blocks[i];
                }

                for (int i = 0; i < count; i++)
                {
                    if (*(nuint*)blocks[i] != blocks[i])
                        Must(false, $"block {i} of {size} bytes belongs to somebody else too");
                    Free((void*)blocks[i]);
                }
            }

            private static void UseFromC()
            {
                const int count = 14;
                nuint* blocks = stackalloc nuint[count];
                const nuint small = 64, large = 30_000;
                for (nuint size = small; size <= large; size += large - small)
                {
                    for (int i = 0; i < count; i++)
                    {
                        blocks[i] = (nuint)Callbacks.Malloc(size);
                        *(nuint*)blocks[i] = blocks[i];
                    }

                    for (int i = 0; i < count; i++)
                    {
                        if (*(nuint*)blocks[i] != blocks[i])
                            Must(false, $"block {i} of {size} bytes for C belongs to somebody else too");
                        Callbacks.Free((void*)blocks[i]);
                    }
                }
            }

            private static void UsePageRuns()
            {
                void* small = Alloc(100_000);
                void* big = Alloc(1_000_000);
                small = Realloc(small, 200_000);
                big = Realloc(big, 300_000);
                Free(small);
                Free(AlignedAlloc(50_000, 128 * 1024));
                Free(big);
            }

            // Frees that have the caller's cache give everything back, empty depots and ask for owners.
            private static void GiveWay()
            {
                Segments->LeastUseBytes = 0;
                Form.EndTurn();
                AllocateAndFree(14, 30_000);
                AllocateAndFree(20, 100_000);
                Segments->LeastUseBytes = SegmentManager.LeastUse;
            }

            // Frees that find too many free pages, whatever there are, and discard some.
            private static void PurgePages()
            {
                const int count = 8;
                nuint* runs = stackalloc nuint[count];
                Segments->LeastKeptPages = 0;
                Segments->LeastUseBytes = 0;
                for (int round = 0; round < 3; round++)
                {
                    for (int i = 0; i < count; i++)
                    {
                        runs[i] = (nuint)Alloc(1_000_000);
                        *(nuint*)runs[i] = runs[i];
                    }

                    for (int i = 0; i < count; i++)
                    {
                        if (*(nuint*)runs[i] != runs[i])
                            Must(false, $"run {i} belongs to somebody else too");
                        Free((void*)runs[i]);
                    }
                }

                Segments->LeastKeptPages = SegmentManager.LeastKept;
                Segments->LeastUseBytes = SegmentManager.LeastUse;
            }

            // The thread that may die cuts a run page by page. Others free it, whatever length it was left at: its pages must not be those
            // of other blocks afterwards.
            private static void CutPageRuns()
            {
                const int pages = SizeClasses.MaxCachedPages;
                // A hardened heap moves what it resizes.
                bool inPlace = !IsHardened;
                if (!inPlace)
                    return;

                bool mayDie = CurrentThread.Id == Volatile.Read(ref s_victim);
                nuint left = s_run;
                s_run = (nuint)Alloc(pages * Segment.PageSize);
                for (int length = pages - 1; length > 0; length--)
                    Realloc((void*)s_run, (nuint)length * Segment.PageSize);
                if (mayDie)
                    return;

                Free((void*)left);
                Free((void*)s_run);
                s_run = 0;
                nuint* blocks = stackalloc nuint[2 * pages];
                for (int i = 0; i < 2 * pages; i++)
                {
                    int length = pages - i % pages;
                    blocks[i] = (nuint)Alloc((nuint)length * Segment.PageSize);
                    for (int page = 0; page < length; page++)
                        *(nuint*)(blocks[i] + (nuint)page * Segment.PageSize) = blocks[i];
                }

                for (int i = 0; i < 2 * pages; i++)
                {
                    for (int page = 0; page < pages - i % pages; page++)
                    {
                        if (*(nuint*)(blocks[i] + (nuint)page * Segment.PageSize) != blocks[i])
                            Must(false, $"page {page} of a run of {pages - i % pages} belongs to somebody else too");
                    }

                    Free((void*)blocks[i]);
                }
            }

            private static void UseLargeBlocks()
            {
                void* first = Alloc(3_000_000);
                void* second = Alloc(20_000_000);
                first = Realloc(first, 9_000_000);
                second = Realloc(second, 70_000_000);
                Free(first);
                second = Realloc(second, 4_000_000);
                Free(second);
                Free(Alloc(68 << 20));
            }
        }
    }
}
