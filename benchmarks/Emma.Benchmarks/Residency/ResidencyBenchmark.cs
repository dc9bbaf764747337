using System.Globalization;
using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Residency;

// What stays resident while programs work, shrink, end threads and rest, beside what is live: every life over every peer that has native
// memory, in a process of its own.
internal static class ResidencyBenchmark
{
    private const string LiveColumn = "live";
    private const int FullRounds = 3;

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        Peer[] peers = [.. PeerList.All.Where(peer => peer.RunsWorkloads)];
        Lifeline[] lines = [.. LifelineList.All.Where(line => settings.Wants(line.Name))];
        int rounds = settings.Quick ? 1 : FullRounds;
        progress.Begin("Resident memory", lines.Length * peers.Length * rounds);
        foreach (Lifeline line in lines)
        {
            List<Moment[]>[] lives = [.. peers.Select(peer => RunAll(peer, line, rounds, settings, progress))];
            if (lives.FirstOrDefault(runs => runs.Count != 0)?[0] is not { } moments)
                continue;

            string stem = $"lifetime-{line.Name.Replace(" ", "-", StringComparison.Ordinal)}";
            string[] columns = [.. peers.Select(peer => peer.Name)];
            ResultTable resident = new(stem, $"{line.Name}: resident MiB", "moment", [.. columns, LiveColumn])
            {
                Note = "What is resident beyond what was before the first block, the least (the median) of the runs, each in a process of "
                    + "its own; beside it what is live, the sizes asked for.",
                Chart = Chart.Lines,
                Baseline = LiveColumn,
            };
            ResultTable cpu = new($"{stem}-cpu", $"{line.Name}: CPU time in ms", "up to the moment", columns)
            {
                Note = "Of all threads, since the moment before, in the same runs.",
            };
            for (int row = 0; row < moments.Length; row++)
            {
                Sample? live = moments[row].LiveMegabytes > 1 ? Sample.Single(moments[row].LiveMegabytes) : null;
                string name = moments[row].Name;
                resident.Add(name, [.. lives.Select(runs => Cell(runs, row, moment => moment.ResidentMegabytes)), live]);
                cpu.Add(name, [.. lives.Select(runs => Cell(runs, row, moment => moment.CpuMilliseconds))]);
            }

            yield return resident;
            yield return cpu;
        }
    }

    private static List<Moment[]> RunAll(Peer peer, Lifeline line, int rounds, Settings settings, Progress progress)
    {
        List<Moment[]> runs = [];
        for (int round = 0; round < rounds; round++)
        {
            if (peer.IsPresent && Failures.Try(() => LifelineJob.RunInChild(peer, line.Name, settings.Quick), peer.Name) is { } moments)
                runs.Add(moments);
            progress.Step(string.Create(CultureInfo.InvariantCulture, $"{line.Name}, {peer.Name}"));
        }

        return runs;
    }

    private static Sample? Cell(List<Moment[]> runs, int row, Func<Moment, double> figure) =>
        runs.Count == 0 ? null : Sample.Of([.. runs.Select(moments => figure(moments[row]))]);
}
