namespace Emma.Templates.Tests;

/// <summary>How much of a limit, set before the first block, blocks get: of one size, and mixed.</summary>
public sealed unsafe class LimitShareTests(ITestOutputHelper output) : IDisposable
{
    private const long KiB = 1 << 10;
    private const long MiB = 1 << 20;

    // What the records of any heap may take, and the share of the rest that blocks of one size get at least; and what blocks of mixed sizes
    // get of all.
    private static readonly long s_records = 240 * KiB + 4 * (long)LargerPages.Bytes;
    private const double Share = 0.92;
    private const double MixedShare = 0.85;

    // No block of a mix is taken to fit any more when so many were refused in a row.
    private const int Refusals = 100;

    private static readonly long[] s_limits = [8 * MiB, 9 * MiB + 1, 24 * MiB, 32 * MiB, 64 * MiB, 300 * MiB];

    private static readonly long[] s_sizes =
    [
        1, 16, 100, 1000, 5000, 9000, 20_000, 28_000, 32_768, 32_769, 33_000, 40_000, 45_000, 57_000, 65_536, 65_537, 100_000, 131_073,
        200_000, 262_144, 262_145, 300_000, 400_000, 500_000, 700_000, 1_000_000, 1 << 20, 1_500_000, 2 << 20, (2 << 20) + 1, 3_000_000,
    ];

    private static readonly LimitedForm[] s_forms =
    [
        new("plain", &ShareHeap.TryAlloc, &ShareHeap.GoodSize, &ShareHeap.Free, &ShareHeap.Destroy,
            limit => ShareHeap.MemoryLimit = limit, () => ShareHeap.GetStatistics().MappedBytes, 1),
        new("locked", &ShareLockedHeap.TryAlloc, &ShareLockedHeap.GoodSize, &ShareLockedHeap.Free, &ShareLockedHeap.Destroy,
            limit => ShareLockedHeap.MemoryLimit = limit, () => ShareLockedHeap.GetStatistics().MappedBytes, 1),
        new("checked", &ShareCheckedHeap.TryAlloc, &ShareCheckedHeap.GoodSize, &ShareCheckedHeap.Free, &ShareCheckedHeap.Destroy,
            limit => ShareCheckedHeap.MemoryLimit = limit, () => ShareCheckedHeap.GetStatistics().MappedBytes, 0.94),
        new("hardened", &ShareHardenedHeap.TryAlloc, &ShareHardenedHeap.GoodSize, &ShareHardenedHeap.Free, &ShareHardenedHeap.Destroy,
            limit => ShareHardenedHeap.MemoryLimit = limit, () => ShareHardenedHeap.GetStatistics().MappedBytes, 0),
    ];

    public void Dispose() => Array.ForEach(s_forms, form => form.Reset(0));

    [Theory]
    [InlineData(8)]
    [InlineData(24)]
    public void Blocks_of_one_size_get_nearly_all_of_a_limit(int mib)
    {
        foreach (LimitedForm form in s_forms)
        {
            foreach (long size in new[] { 16, 5000, 28_000, 32_769, 200_000, 1 << 20, mib * MiB / 4 })
                form.AssertFills(mib * MiB, size);
        }
    }

    /// <summary>Prints the table of docs/reliability.md.</summary>
    [LongFact]
    public void Blocks_of_any_size_get_nearly_all_of_any_limit()
    {
        foreach (LimitedForm form in s_forms)
        {
            foreach (long limit in s_limits)
            {
                foreach (long size in s_sizes.Append(limit / 16).Append(limit / 4).Where(size => size <= limit / 4))
                {
                    long count = form.AssertFills(limit, size);
                    output.WriteLine(
                        $"{form.Name,-9} {limit / MiB,3} MiB {size,9}: {count,8} blocks of {form.GoodSize(size),9}, " +
                        $"{100.0 * count * form.GoodSize(size) / limit,5:F1} %");
                }
            }
        }
    }

    [Theory]
    [InlineData(16)]
    [InlineData(32_768)]
    [InlineData(32_769)]
    [InlineData(40_000)]
    [InlineData(65_537)]
    [InlineData(200_000)]
    [InlineData(262_145)]
    [InlineData(400_000)]
    public void Under_a_limit_no_block_has_more_than_an_eighth_more_than_was_asked_for_or_a_page_of_the_kernels(int size)
    {
        ShareHeap.MemoryLimit = 64 * MiB;
        void* block = ShareHeap.Alloc((nuint)size);
        nuint usable = ShareHeap.UsableSize(block);
        Assert.Equal(ShareHeap.GoodSize((nuint)size), usable);
        // Where the kernel's pages are larger, it is an eighth more than whole ones.
        nuint page = LargerPages.Bytes;
        nuint whole = page == 4096 ? (nuint)size : ((nuint)size + (page - 1)) & ~(page - 1);
        Assert.InRange(usable, (nuint)size, whole + Math.Max(whole / 8, page));
        ShareHeap.Free(block);
    }

    [Fact]
    public void A_limit_that_buys_very_many_such_blocks_gives_them_pages_because_mappings_are_scarce()
    {
        ShareHeap.MemoryLimit = 16L << 30;
        Assert.Equal((nuint)65_536, ShareHeap.GoodSize(40_000));
        void* block = ShareHeap.Alloc(40_000);
        Assert.Equal((nuint)65_536, ShareHeap.UsableSize(block));
        Assert.Equal(0, ShareHeap.GetStatistics().LargeBlocks);
    }

    [Theory]
    [InlineData(24, 300_000)]
    [InlineData(32, 4 << 20)]
    public void Blocks_of_mixed_sizes_get_most_of_a_limit_before_none_fits_any_more(int mib, int largest)
    {
        foreach (LimitedForm form in s_forms[..2])
        {
            double share = form.FillMixed(mib * MiB, largest, rounds: 1, byOrder: true).Share;
            Assert.True(share >= MixedShare, $"{form.Name}: {share:P1}");
        }
    }

    /// <summary>As many of each size, or of each binary order of sizes; at first, and after half of them were replaced, twice.</summary>
    [LongFact]
    public void Blocks_of_any_mix_get_most_of_a_limit_before_none_fits_any_more()
    {
        foreach (LimitedForm form in s_forms)
        {
            foreach (long limit in s_limits[2..5])
            {
                foreach (long largest in new[] { 1000, 30_000, 300_000, limit / 8 })
                {
                    foreach (bool byOrder in new[] { false, true })
                    {
                        (double first, double share, double later) = form.FillMixed(limit, largest, rounds: 3, byOrder);
                        output.WriteLine(
                            $"{form.Name,-9} {limit / MiB,3} MiB up to {largest,8} {(byOrder ? "by order" : "        ")}: " +
                            $"{first:P1} at the first refusal, {share:P1} in all, {later:P1} after replacing");
                        if (form.Name is "plain" or "locked")
                            Assert.True(Math.Min(share, later) >= MixedShare, $"{form.Name} {limit} {largest}: {share:P1} {later:P1}");
                    }
                }
            }
        }
    }

    private sealed class LimitedForm(
        string name, delegate*<nuint, void*> tryAlloc, delegate*<nuint, nuint> goodSize, delegate*<void*, void> free,
        delegate*<void> destroy, Action<long> setLimit, Func<long> mapped, double ofLimit)
    {
        public string Name => name;

        public void Reset(long limit)
        {
            destroy();
            setLimit(limit);
        }

        public long GoodSize(long size) => (long)goodSize((nuint)size);

        // Fills a limit with blocks of a size, which has to buy so many of them.
        public long AssertFills(long limit, long size)
        {
            Reset(limit);
            long wanted = (long)(Share * (ofLimit * limit - s_records) / GoodSize(size));
            long count = 0;
            while (tryAlloc((nuint)size) != null)
                count++;
            Assert.True(count >= wanted, $"{name}: {limit} bytes buy {count} blocks of {size} bytes, and should {wanted}");
            Assert.InRange(mapped(), 1, limit);
            return count;
        }

        // The share of a limit that blocks of mixed sizes have when the first is refused, when so many in a row are, and after more rounds,
        // before each of which half of them are freed.
        public (double First, double Share, double Later) FillMixed(long limit, long largest, int rounds, bool byOrder)
        {
            Reset(limit);
            Random random = new(1);
            List<(nuint Block, long Size)> live = [];
            double first = 0;
            double share = 0;
            for (int round = 0; round < rounds; round++)
            {
                for (int i = live.Count - 1; i >= 0; i--)
                {
                    if (random.Next(2) == 0)
                        continue;
                    free((void*)live[i].Block);
                    live[i] = live[^1];
                    live.RemoveAt(live.Count - 1);
                }

                for (int refused = 0; refused < Refusals;)
                {
                    long size = byOrder ? (long)Math.Exp(random.NextDouble() * Math.Log(largest)) : random.NextInt64(1, largest);
                    void* block = tryAlloc((nuint)size);
                    refused = block == null ? refused + 1 : 0;
                    if (block != null)
                        live.Add(((nuint)block, size));
                    else if (first == 0)
                        first = ShareOf(live);
                }

                if (round == 0)
                    share = ShareOf(live);
            }

            Assert.InRange(mapped(), 1, limit);
            return (first, share, ShareOf(live));

            double ShareOf(List<(nuint Block, long Size)> blocks) => (double)blocks.Sum(block => GoodSize(block.Size)) / limit;
        }
    }
}
