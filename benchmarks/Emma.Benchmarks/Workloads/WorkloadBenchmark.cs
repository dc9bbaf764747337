using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Workloads;

// Every workload over every peer that has native memory, each run in a process of its own, the peers in turn.
internal static class WorkloadBenchmark
{
    private const int FullRounds = 3;

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        int rounds = settings.Quick ? 1 : FullRounds;
        Peer[] peers = [.. PeerList.All.Where(peer => peer.RunsWorkloads)];
        string[] columns = [.. peers.Select(peer => peer.Name)];
        ResultTable time = new("workloads-time", "Workloads: wall time in ms", "workload", columns)
        {
            Note = "Each cell: the least (the median) of the runs, each in a process of its own; the peers take turns.",
            Chart = Chart.Ratios,
        };
        ResultTable cpu = new("workloads-cpu", "Workloads: CPU time in ms", "workload", columns)
        {
            Note = "Of all threads, in the same runs: what other processes took away shows in the wall time alone.",
            Chart = Chart.Ratios,
        };
        ResultTable memory = new("workloads-memory", "Workloads: peak resident memory in MiB", "workload", columns)
        {
            Note = "VmHWM of the same processes, the runtime's own memory included.",
            Chart = Chart.Ratios,
        };
        ResultTable growth = new("workloads-growth", "Workloads: growth of resident memory in MiB", "workload", columns)
        {
            Note = "The same peaks, less what was resident when the work began: what the blocks and the code of the work itself took.",
            Chart = Chart.Ratios,
        };

        (Workload Workload, int Threads)[] rows =
        [
            .. WorkloadList.All.Where(workload => settings.Wants(workload.Name))
                .SelectMany(workload => workload.ThreadCounts.TakeLast(settings.Quick ? 1 : workload.ThreadCounts.Count)
                    .Select(threads => (workload, threads))),
        ];
        progress.Begin("Workloads", rows.Length * rounds);
        foreach ((Workload workload, int threads) in rows)
        {
            string crew = threads == 1 ? "1 thread" : $"{threads} threads";
            string name = workload.ThreadCounts.Count == 1 ? workload.Name : $"{workload.Name}, {crew}";
            List<WorkloadJob.Outcome>[] outcomes = [.. peers.Select(_ => new List<WorkloadJob.Outcome>())];
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < peers.Length; i++)
                {
                    Peer peer = peers[i];
                    if (!peer.IsPresent)
                        continue;

                    WorkloadJob.Outcome? outcome = Failures.Try(
                        () => WorkloadJob.RunInChild(peer, workload, threads, settings.Quick),
                        peer.Name);
                    if (outcome is not null)
                        outcomes[i].Add(outcome);
                }

                progress.Step(name);
            }

            time.Add(name, [.. outcomes.Select(all => Summarize(all, outcome => outcome.Milliseconds))]);
            cpu.Add(name, [.. outcomes.Select(all => Summarize(all, outcome => outcome.CpuMilliseconds))]);
            memory.Add(name, [.. outcomes.Select(all => Summarize(all, outcome => outcome.PeakMegabytes))]);
            growth.Add(name, [.. outcomes.Select(all => Summarize(all, outcome => outcome.GrowthMegabytes))]);
        }

        return [time, cpu, memory, growth];
    }

    private static Sample? Summarize(List<WorkloadJob.Outcome> outcomes, Func<WorkloadJob.Outcome, double> figure) =>
        outcomes.Count == 0 ? null : Sample.Of([.. outcomes.Select(figure)]);
}
