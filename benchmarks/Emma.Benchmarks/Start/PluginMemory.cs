using System.Globalization;
using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Start;

// What is resident with many plugins, each in a collectible load context, with a heap of its own or without.
internal static class PluginMemory
{
    private static readonly int[] s_counts = [1, 2, 10, 100];
    private static readonly int[] s_quickCounts = [1, 2, 10];

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        int[] counts = settings.Quick ? s_quickCounts : s_counts;
        StartProbe[] probes = [.. StartProbe.Present, StartProbe.EmptyContext];
        string[] columns = [.. probes.Select(probe => probe.Column)];
        progress.Begin("Plugins with a heap each", counts.Length);
        StartJob.Many?[][] all = new StartJob.Many?[counts.Length][];
        for (int i = 0; i < counts.Length; i++)
        {
            all[i] = [.. probes.Select(probe => Failures.Try(() => StartJob.Load(probe.Assembly, counts[i]), probe.Column))];
            progress.Step($"{counts[i]}");
        }

        ResultTable growth = new("start-plugins", "Plugins with one block each: resident KiB for each of them", "plugins", columns)
        {
            Note = "Growth since before the load contexts were made, after a collection, divided by their number. The first one's includes "
                + "what a process needs once.",
            Chart = Chart.Figures,
        };
        for (int i = 0; i < counts.Length; i++)
        {
            int count = counts[i];
            growth.Add(count.ToString(CultureInfo.InvariantCulture), [.. all[i].Select(many => Cell(many?.Resident / (double?)count))]);
        }

        yield return growth;

        int last = counts[^1];
        int before = counts[^2];
        ResultTable further = new("start-further", $"Each further plugin: ({last} − {before}) ÷ {last - before}", "each", columns)
        {
            Note = $"Resident KiB by kind of mapping, and what \"{StartProbe.OneMethod}\" does not have; then methods compiled, CPU time, "
                + "and what a collection frees again.",
        };
        string[] kinds = all[^1].First(many => many is not null)!.Kinds;
        for (int kind = 0; kind < kinds.Length; kind++)
        {
            int at = kind;
            AddRow($"KiB: {kinds[kind]}", many => many.ResidentKilobytes[at]);
        }

        double?[] whole = AddRow("KiB: all", many => many.Resident);
        double? least = whole[Array.IndexOf(columns, StartProbe.OneMethod)];
        further.Add($"KiB above {StartProbe.OneMethod}", [.. whole.Select(each => Cell(each - least))]);
        AddRow("methods", many => many.Methods);
        AddRow("CPU time, ms", many => many.CpuMilliseconds);
        AddRow("KiB of objects allocated", many => many.AllocatedBytes / 1024.0);
        yield return further;

        double?[] AddRow(string row, Func<StartJob.Many, double> figure)
        {
            double?[] each =
            [
                .. all[^1].Zip(all[^2], (more, less) =>
                    more is null || less is null ? (double?)null : (figure(more) - figure(less)) / (last - before)),
            ];
            further.Add(row, [.. each.Select(Cell)]);
            return each;
        }
    }

    private static Sample? Cell(double? figure) => figure is double value ? Sample.Single(value) : null;
}
