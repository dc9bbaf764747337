using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Start;

// What a heap's first block costs: what is compiled before it is there, in a main program and in a collectible load context.
internal static class StartBenchmark
{
    private const int FullRounds = 5;

    private static readonly (string Name, string Probe)[] s_probes =
    [
        ("plain", "OneHeap"),
        ("locked", "OneLockedHeap"),
        ("checked", "OneCheckedHeap"),
        ("hardened", "OneHardenedHeap"),
        ("NativeMemory", "NoHeapNativeMemory"),
        ("empty", "NoHeap"),
    ];

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        int rounds = settings.Quick ? 1 : FullRounds;
        ResultTable table = new("start", "The first block of a heap", "figure", [.. s_probes.Select(probe => probe.Name)])
        {
            Note = "Compiled before the first `Alloc` returned; times are the least (the median) of the runs. Each case is a process of "
                + "its own that has nothing else. \"NativeMemory\" and \"empty\" are the same plugin without a heap.",
        };
        progress.Begin(table.Title, 2 * (rounds + 1));
        foreach (bool collectible in new[] { false, true })
        {
            string context = collectible ? "collectible" : "main program";
            StartJob.Compiled?[] lists = [.. s_probes.Select(probe => Failures.Try(() => StartJob.List(probe.Probe, collectible)))];
            progress.Step(context);
            List<StartJob.Times>[] times = [.. s_probes.Select(_ => new List<StartJob.Times>())];
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < s_probes.Length; i++)
                {
                    if (Failures.Try(() => StartJob.Time(s_probes[i].Probe, collectible)) is StartJob.Times time)
                        times[i].Add(time);
                }

                progress.Step(context);
            }

            AddCount("the heap's methods", list => list.HeapMethods);
            AddCount("their native code, KB", list => list.HeapNativeBytes / 1000.0);
            AddCount("all methods", list => list.Methods);
            AddCount("all native code, KB", list => list.NativeBytes / 1000.0);
            AddTime("CPU time, ms", time => time.CpuMilliseconds);
            AddTime("wall time in the JIT, ms", time => time.JitMilliseconds);

            void AddCount(string row, Func<StartJob.Compiled, double> figure) =>
                table.Add($"{context}: {row}", [.. lists.Select(list => list is null ? (Sample?)null : Sample.Single(figure(list)))]);

            void AddTime(string row, Func<StartJob.Times, double> figure) =>
                table.Add($"{context}: {row}", [.. times.Select(all => Summarize(all, figure))]);
        }

        yield return table;
    }

    private static Sample? Summarize(List<StartJob.Times> times, Func<StartJob.Times, double> figure) =>
        times.Count == 0 ? null : Sample.Of([.. times.Select(figure)]);
}
