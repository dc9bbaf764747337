namespace Emma.Templates.Tests;

/// <summary>How much of a limit blocks get: of one size, and mixed.</summary>
public sealed unsafe class LimitShareTests(ITestOutputHelper output) : IDisposable
{
    private const long KiB = 1 << 10;
    private const long MiB = 1 << 20;

    // What the records of any heap may take, and the share of the rest that blocks get.
    private const long Records = 256 * KiB;
    private const double Share = 0.92;

    private static readonly long[] s_limits = [8 * MiB, 24 * MiB, 32 * MiB, 64 * MiB];

    private static readonly long[] s_sizes =
    [
        1, 16, 100, 1000, 5000, 9000, 20_000, 28_000, 32_768, 32_769, 33_000, 40_000, 45_000, 57_000, 65_536, 65_537, 100_000, 131_073,
        200_000, 262_144, 262_145, 300_000, 400_000, 500_000, 700_000, 1_000_000, 1 << 20, 1_500_000, 2 << 20, (2 << 20) + 1, 3_000_000,
    ];

    private static readonly LimitedForm[] s_forms =
    [
        new("plain", &ShareHeap.TryAlloc, &ShareHeap.GoodSize, &ShareHeap.Destroy, limit => ShareHeap.MemoryLimit = limit,
            () => ShareHeap.GetStatistics().MappedBytes, 1),
        new("locked", &ShareLockedHeap.TryAlloc, &ShareLockedHeap.GoodSize, &ShareLockedHeap.Destroy,
            limit => ShareLockedHeap.MemoryLimit = limit, () => ShareLockedHeap.GetStatistics().MappedBytes, 1),
        new("checked", &ShareCheckedHeap.TryAlloc, &ShareCheckedHeap.GoodSize, &ShareCheckedHeap.Destroy,
            limit => ShareCheckedHeap.MemoryLimit = limit, () => ShareCheckedHeap.GetStatistics().MappedBytes, 0.94),
        new("hardened", &ShareHardenedHeap.TryAlloc, &ShareHardenedHeap.GoodSize, &ShareHardenedHeap.Destroy,
            limit => ShareHardenedHeap.MemoryLimit = limit, () => ShareHardenedHeap.GetStatistics().MappedBytes, 0),
    ];

    public void Dispose() => Array.ForEach(s_forms, form => form.Reset(0));

    [Fact]
    public void The_table()
    {
        foreach (LimitedForm form in s_forms)
        {
            foreach (long limit in s_limits)
            {
                foreach (long size in s_sizes.Append(limit / 4))
                {
                    long count = form.Fill(limit, size);
                    long good = form.GoodSize(size);
                    long wanted = form.Wanted(limit, size);
                    output.WriteLine(
                        $"{form.Name,-9} {limit / MiB,3} MiB {size,9}: {count,8} blocks of {good,9}, " +
                        $"{100.0 * count * good / limit,5:F1} %, asked for {100.0 * count * size / limit,5:F1} %" +
                        (count < wanted ? $" MISSED {wanted}" : ""));
                }
            }
        }
    }

    private sealed class LimitedForm(
        string name, delegate*<nuint, void*> tryAlloc, delegate*<nuint, nuint> goodSize, delegate*<void> destroy,
        Action<long> setLimit, Func<long> mapped, double ofLimit)
    {
        public string Name => name;

        public long Mapped => mapped();

        public void Reset(long limit)
        {
            destroy();
            setLimit(limit);
        }

        public long GoodSize(long size) => (long)goodSize((nuint)size);

        public bool TryAlloc(long size) => tryAlloc((nuint)size) != null;

        // How many blocks of a size the limit has to buy.
        public long Wanted(long limit, long size) => (long)(Share * (ofLimit * limit - Records) / GoodSize(size));

        // How many it does.
        public long Fill(long limit, long size)
        {
            Reset(limit);
            long count = 0;
            while (TryAlloc(size))
                count++;
            Assert.True(Mapped <= limit);
            return count;
        }
    }
}
