using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Micro;

// Every pattern over every peer in one process, the peers in turn: once as the JIT inlines it, once through calls.
internal static class MicroBenchmark
{
    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        IReadOnlyList<Peer> peers = PeerList.All;
        string[] columns = [.. peers.Select(peer => peer.Name)];
        Pattern[] patterns = [.. PatternList.All.Where(pattern => settings.Wants(pattern.Name))];
        KernelTimer timer = settings.Quick ? new(3, TimeSpan.FromMilliseconds(1)) : new(25, TimeSpan.FromMilliseconds(20));

        foreach (bool inlined in new[] { true, false })
        {
            string form = inlined ? "inlined" : "not inlined";
            string name = $"micro-{form.Replace(' ', '-')}";
            ResultTable table = new(name, $"Allocate, write, free: ns per operation, {form}", "pattern", columns)
            {
                Note = "Each cell: the least (the median) of the rounds. The peers take turns in one process. "
                    + "CPU ÷ wall: of the peer that others disturbed most; below 1, somebody else had the processor.",
                Chart = Chart.Ratios,
            };
            progress.Begin(table.Title, patterns.Length);
            foreach (Pattern pattern in patterns)
            {
                table.Add(pattern.Name, MeasureRow(timer, pattern, peers, inlined));
                progress.Step(pattern.Name);
            }

            yield return table;
        }
    }

    private static Sample?[] MeasureRow(KernelTimer timer, Pattern pattern, IReadOnlyList<Peer> peers, bool inlined)
    {
        Kernel?[] kernels = [.. peers.Select(peer => peer.IsPresent ? peer.CreateKernel(pattern, inlined) : null)];
        try
        {
            return timer.Measure(kernels, pattern.Operations);
        }
        finally
        {
            foreach (Kernel? kernel in kernels)
                kernel?.Release();
        }
    }
}
