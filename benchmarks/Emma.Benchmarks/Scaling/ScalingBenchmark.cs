using System.Globalization;
using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Scaling;

// Cost per operation as the live heap and as the number of live threads grow, each peer in a process of its own.
internal static class ScalingBenchmark
{
    private const string OnlyTouched = "no allocator";

    private const int MostMegabytes = 4096;
    private const int QuickMostMegabytes = 16;
    private const int MostThreads = 256;
    private const int Operations = 4_000_000;
    private const int QuickOperations = 100_000;

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        Peer[] peers = [.. PeerList.All.Where(peer => peer.RunsWorkloads)];
        string[] columns = [.. peers.Select(peer => peer.Name)];
        int operations = settings.Quick ? QuickOperations : Operations;
        int mostMegabytes = (int)Math.Min(settings.Quick ? QuickMostMegabytes : MostMegabytes, ProcessMemory.AvailableBytes / 2 >> 20);

        progress.Begin("Scaling", 2 * peers.Length);
        double[][][] liveHeap = RunAll(peers, LiveHeapJob.Name, mostMegabytes, operations, progress);
        double[][][] threads = RunAll(peers, ThreadsJob.Name, MostThreads, operations, progress);

        const string LiveTitle = "Replacing random blocks of a live heap: ns per replacement";
        ResultTable liveTable = new("scaling-live-heap", LiveTitle, "live MiB", [.. columns, OnlyTouched])
        {
            Note = $"\"{OnlyTouched}\": random blocks of emma's heap are written, none is replaced: what the cache misses alone cost.",
            Baseline = OnlyTouched,
            Chart = Chart.Lines,
        };
        int row = 0;
        foreach (int megabytes in LiveHeapJob.Steps(mostMegabytes))
        {
            liveTable.Add(Text(megabytes), [.. liveHeap.Select(lines => Cell(lines, row, 1)), Cell(liveHeap[0], row, 2)]);
            row++;
        }

        const string ThreadsTitle = "Live threads, all replacing blocks of their own: ns of a core per replacement";
        ResultTable threadsTable = new("scaling-threads", ThreadsTitle, "threads", columns)
        {
            Note = "Wall time times busy cores, divided by the replacements of all threads.",
            Chart = Chart.Lines,
        };
        row = 0;
        foreach (int count in ThreadsJob.Steps(MostThreads))
        {
            threadsTable.Add(Text(count), [.. threads.Select(lines => Cell(lines, row, 1))]);
            row++;
        }

        return [liveTable, threadsTable];
    }

    // For each peer the figures of each line that its process writes.
    private static double[][][] RunAll(Peer[] peers, string job, int most, int operations, Progress progress)
    {
        double[][][] results = new double[peers.Length][][];
        for (int i = 0; i < peers.Length; i++)
        {
            Peer peer = peers[i];
            double[][]? lines = null;
            if (peer.IsPresent)
                lines = Failures.Try(() => Parse(ChildProcess.Run(Child.Verb, job, peer.Name, Text(most), Text(operations))), peer.Name);

            results[i] = lines ?? [];
            progress.Step($"{job}, {peer.Name}");
        }

        return results;
    }

    private static double[][] Parse(string[] lines) =>
        [.. lines.Select(line => line.Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray())];

    private static Sample? Cell(double[][] lines, int row, int column) => row < lines.Length ? Sample.Single(lines[row][column]) : null;

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
