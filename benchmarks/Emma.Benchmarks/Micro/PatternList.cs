namespace Emma.Benchmarks.Micro;

// The patterns, in the order of the table's rows.
internal static class PatternList
{
    internal static IReadOnlyList<Pattern> All { get; } =
    [
        new PairPattern("pair, 16 B", 16),
        new PairPattern("pair, 64 B", 64),
        new PairPattern("pair, 256 B", 256),
        new PairPattern("pair, 1 KiB", 1 << 10),
        new PairPattern("pair, 4 KiB", 4 << 10),
        new PairPattern("pair, 32 KiB", 32 << 10),
        new PairPattern("pair, 256 KiB", 256 << 10),
        new ConstantPairPattern(),
        new BurstPattern("FIFO, 100 × 64 B", 100, 64, oldestFirst: true),
        new BurstPattern("FIFO, 1000 × 64 B", 1000, 64, oldestFirst: true),
        new BurstPattern("FIFO, 1000 × 512 B", 1000, 512, oldestFirst: true),
        new BurstPattern("LIFO, 100 × 64 B", 100, 64, oldestFirst: false),
        new BurstPattern("LIFO, 1000 × 64 B", 1000, 64, oldestFirst: false),
        new RandomReplacePattern("random replace, 1 k live", 1_000),
        new RandomReplacePattern("random replace, 100 k live", 100_000),
        new ZeroedPattern("zeroed, 64 B", 64),
        new ZeroedPattern("zeroed, 4 KiB", 4 << 10),
        new AlignedPattern("aligned 64, 192 B", 192),
        new ReallocPattern(),
    ];

    internal static Pattern Find(string name) => All.Single(pattern => pattern.Name == name);
}
