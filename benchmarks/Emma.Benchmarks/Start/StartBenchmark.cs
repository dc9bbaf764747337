using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Start;

// What a heap's first block costs: what is compiled before it is there, in a main program and in a collectible load context.
internal static class StartBenchmark
{
    private const int FullRounds = 5;

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress) =>
        [RunFirstBlocks(settings, progress), .. PluginMemory.Run(settings, progress)];

    private static ResultTable RunFirstBlocks(Settings settings, Progress progress)
    {
        IReadOnlyList<StartProbe> probes = StartProbe.Present;
        int rounds = settings.Quick ? 1 : FullRounds;
        ResultTable table = new("start", "The first block of a heap", "figure", [.. probes.Select(probe => probe.Column)])
        {
            Note = "Compiled before the first `Alloc` returned; times are the least (the median) of the runs. Each case is a process of "
                + "its own that has nothing else. The last columns are the same plugin without a heap, the last one without any allocator.",
        };
        progress.Begin(table.Title, 2 * (rounds + 1));
        foreach (bool collectible in new[] { false, true })
        {
            string context = collectible ? "collectible" : "main program";
            StartJob.Compiled?[] lists =
                [.. probes.Select(probe => Failures.Try(() => StartJob.List(probe.Assembly!, collectible), probe.Column))];
            progress.Step(context);
            List<StartJob.Times>[] times = [.. probes.Select(_ => new List<StartJob.Times>())];
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < probes.Count; i++)
                {
                    if (Failures.Try(() => StartJob.Time(probes[i].Assembly!, collectible), probes[i].Column) is StartJob.Times time)
                        times[i].Add(time);
                }

                progress.Step(context);
            }

            AddCount("the heap's methods", list => list.HeapMethods);
            AddCount("their native code, KB", list => list.HeapNativeBytes / 1000.0);
            AddCount("all methods", list => list.Methods);
            AddCount("all native code, KB", list => list.NativeBytes / 1000.0);
            AddCount("the heap's methods after `Prepare`", list => list.PreparedMethods);
            AddCount("the native code of these, KB", list => list.PreparedNativeBytes / 1000.0);
            AddTime("all IL, KB", time => time.ILBytes / 1000.0);
            AddTime("CPU time, ms", time => time.CpuMilliseconds);
            AddTime("wall time in the JIT, ms", time => time.JitMilliseconds);

            void AddCount(string row, Func<StartJob.Compiled, double> figure) =>
                table.Add($"{context}: {row}", [.. lists.Select(list => list is null ? (Sample?)null : Sample.Single(figure(list)))]);

            void AddTime(string row, Func<StartJob.Times, double> figure) =>
                table.Add($"{context}: {row}", [.. times.Select(all => Summarize(all, figure))]);
        }

        return table;
    }

    private static Sample? Summarize(List<StartJob.Times> times, Func<StartJob.Times, double> figure) =>
        times.Count == 0 ? null : Sample.Of([.. times.Select(figure)]);
}
