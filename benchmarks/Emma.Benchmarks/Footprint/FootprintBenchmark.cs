using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Footprint;

// What heaps cost that hold one block of 64 bytes each, beside mimalloc's first-class heaps, and what one adds to its assembly.
internal static class FootprintBenchmark
{
    private static readonly int[] s_counts = [1, 16, 1000];
    private static readonly int[] s_quickCounts = [1, 16];

    internal static IEnumerable<ResultTable> Run(Settings settings, Progress progress)
    {
        int[] counts = settings.Quick ? s_quickCounts : s_counts;
        string[] columns = [.. IdleHeaps.Kinds.Select(kind => kind.Peer)];
        ResultTable table = new("footprint", "Idle heaps with one 64-byte block: per heap", "figure", columns)
        {
            Note = "emma: one plugin's assembly in as many collectible load contexts; the heap's page of code is counted, what the JIT "
                + "makes of its methods is not, though the first start's time includes the JIT. mimalloc: `mi_heap_new`.",
        };
        progress.Begin("Footprint", counts.Length);
        foreach (int count in counts)
        {
            FootprintJob.Outcome?[] outcomes = [.. IdleHeaps.Kinds.Select(kind => Measure(kind.Peer, count))];
            string heaps = count == 1 ? "1 heap" : $"{count} heaps";
            Add($"{heaps}: resident KiB", outcome => outcome.ResidentKilobytes);
            Add($"{heaps}: mappings", outcome => outcome.Mappings);
            Add($"{heaps}: address space, KiB", outcome => outcome.AddressKilobytes);
            Add($"{heaps}: first start, µs", outcome => outcome.FirstStartMicroseconds);
            Add($"{heaps}: start, µs", outcome => outcome.StartMicroseconds);
            Add($"{heaps}: destroy, µs", outcome => outcome.DestroyMicroseconds);
            progress.Step(heaps);

            void Add(string row, Func<FootprintJob.Outcome, double> figure) =>
                table.Add(row, [.. outcomes.Select(outcome => outcome is null ? (Sample?)null : Sample.Single(figure(outcome)))]);
        }

        table.Add("added to the assembly, KiB", [.. IdleHeaps.Kinds.Select(kind => AddedToAssembly(kind.Assembly))]);
        yield return table;
    }

    private static FootprintJob.Outcome? Measure(string peer, int count) =>
        PeerList.Find(peer).IsPresent ? Failures.Try(() => FootprintJob.RunInChild(peer, count), peer) : null;

    private static Sample? AddedToAssembly(string? assembly) =>
        assembly is null ? null : Sample.Single((FileLength(assembly) - FileLength(IdleHeaps.NoHeapAssembly)) / 1024.0);

    private static long FileLength(string assembly) => new FileInfo(IdleHeaps.AssemblyPath(assembly)).Length;
}
