using System.Diagnostics;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// A kernel that says no, to every kind of call, at every call that a script makes: once, from there on, or at two places. CI runs
        /// a random part of the combinations; EMMA_FAULTS=all has all of them run, EMMA_SEED=number a part once more.
        /// </summary>
        public sealed class FaultTests(ITestOutputHelper output) : HeapTest
        {
            private static readonly int s_combinationsInCI = Length.Of(4, 10);
            private const int PairsInCI = 40;
            private const int WatchedPairsInCI = 10;

            private const int RoundsInCI = 3;

            private static readonly TimeSpan s_length = TimeSpan.FromMinutes(5);

            private static readonly bool s_all = Environment.GetEnvironmentVariable("EMMA_FAULTS") == "all";

            private readonly int _seed = int.TryParse(Environment.GetEnvironmentVariable("EMMA_SEED"), out int seed) ? seed
                : Random.Shared.Next();

            public static TheoryData<string, bool> Kinds()
            {
                var kinds = new TheoryData<string, bool>();
                for (CallKind kind = 0; kind < CallKind.Other; kind++)
                {
                    kinds.Add(kind.ToString(), false);
                    kinds.Add(kind.ToString(), true);
                }

                return kinds;
            }

            [Fact]
            public void Without_faults_every_operation_works_and_nothing_stays_mapped()
            {
                using var kernel = new FaultyKernel();
                long[] counts = CountCalls(kernel);
                for (CallKind kind = 0; kind <= CallKind.Other; kind++)
                    output.WriteLine($"{kind}: {counts[(int)kind]} calls");
                Expect.DoesNotContain(0, counts);
            }

            [Theory]
            [MemberData(nameof(Kinds))]
            public void Whatever_call_fails_operations_fail_cleanly_and_nothing_is_lost(string kind, bool lasts)
            {
                using var kernel = new FaultyKernel();
                CallKind callKind = Enum.Parse<CallKind>(kind);
                long calls = CountCalls(kernel)[(int)callKind];
                List<Fault> faults = [];
                for (long nth = 1; nth <= calls; nth++)
                {
                    foreach (int failure in Failure.Of(callKind))
                        faults.Add(new Fault(callKind, nth, failure, lasts));
                }

                int all = faults.Count;
                if (!s_all)
                    faults = Some(faults, s_combinationsInCI);
                int refused = 0;
                int struck = 0;
                foreach (Fault fault in faults)
                {
                    refused += Endure(kernel, fault);
                    struck += kernel.Hits != 0 ? 1 : 0;
                }

                output.WriteLine($"{kind}: {calls} calls, {faults.Count} of {all} combinations (seed {_seed}), {struck} struck, " +
                    $"{refused} operations failed");
            }

            [Fact]
            public void Whatever_two_calls_fail_operations_fail_cleanly_and_nothing_is_lost() => EndurePairs(PairsInCI);

            [Fact]
            public void Whatever_two_calls_fail_while_a_host_watches_operations_fail_cleanly_and_nothing_is_lost() =>
                EndurePairs(WatchedPairsInCI, watched: true);

            private void EndurePairs(int leastPairs, bool watched = false)
            {
                using var kernel = new FaultyKernel();
                long[] counts = CountCalls(kernel);
                using HostWatch? host = watched ? new HostWatch(typeof(EmmaHeap)) : null;
                Random random = new Random(_seed);
                int refused = 0;
                int pairs = 0;
                Stopwatch watch = Stopwatch.StartNew();
                for (; pairs < leastPairs || (s_all && watch.Elapsed < s_length); pairs++)
                {
                    Fault first = AnyFault(random, counts);
                    Fault second = AnyFault(random, counts);
                    // A kernel that maps anywhere and takes nothing back fills the address space with what it was not asked for.
                    if (first.Failure != Failure.Elsewhere && second.Failure != Failure.Elsewhere)
                        refused += Endure(kernel, first, second);
                }

                output.WriteLine($"{pairs} pairs (seed {_seed}), {refused} operations failed");
            }

            [Fact]
            public void Threads_whose_calls_fail_at_random_lose_nothing() => RunAtRandom(limit: 0);

            /// <summary>Segments grow in steps, page runs of wasteful sizes are mappings, and the limit refuses some, too.</summary>
            [Fact]
            public void Threads_whose_calls_fail_at_random_under_a_limit_lose_nothing()
            {
                try
                {
                    RunAtRandom(limit: 128 << 20);
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void Threads_whose_calls_fail_at_random_while_a_host_watches_lose_nothing() => RunAtRandom(limit: 0, watched: true);

            private void RunAtRandom(long limit, bool watched = false)
            {
                using var kernel = new FaultyKernel();
                using HostWatch? host = watched ? new HostWatch(typeof(EmmaHeap)) : null;
                Stopwatch watch = Stopwatch.StartNew();
                int refused = 0;
                long hits = 0;
                int round = 0;
                // Frees discard pages again and again.
                Segments->LeastKeptPages = 0;
                for (; round < RoundsInCI || (s_all && watch.Elapsed < s_length); round++)
                {
                    MemoryLimit = limit;
                    kernel.BeginAtRandom((ulong)(_seed + round), oneIn: round % 2 == 0 ? 3U : 20U);
                    FaultLoad[] runs = Enumerable.Range(0, 4).Select(i => new FaultLoad(_seed + round * 4 + i)).ToArray();
                    Threads.Run(runs.Length, i => runs[i].Run(s_all ? 4000 : 1000));
                    hits += kernel.Hits;
                    kernel.Clear();
                    Array.ForEach(runs, run => run.FreeAll());
                    refused += runs.Sum(run => run.Refused);
                    Expect.True(limit == 0 || GetStatistics().MappedBytes <= limit);
                    // The script needs more; what it does is done in steps all the same.
                    MemoryLimit = limit == 0 ? 0 : 1L << 46;
                    var after = new FaultRun(kernel, $"random faults, seed {_seed}, round {round}");
                    after.RunWithoutFaults();
                    Destroy();
                    after.CheckStatistics();
                    if (kernel.Mapped.Bytes(MappingUse.Memory) != 0)
                        after.Fail($"still mapped after Destroy:\n{kernel.Mapped}");
                }

                output.WriteLine($"{round} rounds (seed {_seed}), {hits} calls and {refused} operations failed");
            }

            private static Fault AnyFault(Random random, long[] counts)
            {
                CallKind kind = (CallKind)random.Next((int)CallKind.Other);
                int[] failures = Failure.Of(kind);
                return new Fault(kind, random.NextInt64(counts[(int)kind]) + 1, failures[random.Next(failures.Length)], random
                    .Next(3) == 0);
            }

            // So many of the faults, at random, in their order.
            private List<Fault> Some(List<Fault> faults, int count)
            {
                Random random = new Random(_seed);
                int left = faults.Count;
                return faults.FindAll(_ =>
                {
                    bool take = random.Next(left--) < count;
                    count -= take ? 1 : 0;
                    return take;
                });
            }

            private static long[] CountCalls(FaultyKernel kernel)
            {
                kernel.Begin();
                var run = new FaultRun(kernel, "no fault");
                run.Run();
                Expect.Equal(0, run.Refused);
                long[] counts = new long[(int)CallKind.Other + 1];
                for (int kind = 0; kind < counts.Length; kind++)
                    counts[kind] = kernel.CountOf((CallKind)kind);
                Expect.True(kernel.Mapped.Count == 0, $"still mapped after Destroy:\n{kernel.Mapped}");
                return counts;
            }

            // Runs the script under faults, then shows that the heap works and, destroyed, leaves nothing behind.
            private int Endure(FaultyKernel kernel, Fault first, Fault second = default)
            {
                kernel.Begin(first, second);
                var run = new FaultRun(kernel, $"{first}, {second}, seed {_seed}");
                run.Run();
                kernel.Clear();
                run.RunWithoutFaults();
                Destroy();
                run.CheckStatistics();
                // The kernel may refuse to take back, too, what it had just mapped in vain: untouched addresses. Who meets two faults may
                // keep such.
                if (kernel.Mapped.Bytes(MappingUse.Memory) != 0 || (second == default && kernel.Mapped.Count != 0))
                    run.Fail($"still mapped after Destroy:\n{kernel.Mapped}");
                return run.Refused;
            }
        }
    }
}
