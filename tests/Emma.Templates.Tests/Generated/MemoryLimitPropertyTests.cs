namespace Emma.Templates.Tests;

/// <summary>The limit as a property of a heap, set while it runs.</summary>
public sealed unsafe class MemoryLimitPropertyTests : IDisposable
{
    private const long MiB = 1 << 20;

    public MemoryLimitPropertyTests() => Reset();

    public void Dispose() => Reset();

    private static long Mapped => SettableHeap.GetStatistics().MappedBytes;

    [Fact]
    public void It_begins_with_the_attributes_option()
    {
        Assert.Equal(0, SettableHeap.MemoryLimit);
        Assert.Equal(40 * MiB, LimitedHeap.MemoryLimit);
        Assert.Equal(40 * MiB, LimitedHeap.GetStatistics().MemoryLimit);
        Assert.Equal(1, TinyHeap.MemoryLimit);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public void A_negative_value_is_refused_and_changes_nothing(long limit)
    {
        SettableHeap.MemoryLimit = 9 * MiB;
        ArgumentOutOfRangeException error = Assert.Throws<ArgumentOutOfRangeException>(() => SettableHeap.MemoryLimit = limit);
        Assert.Equal("value", error.ParamName);
        Assert.Contains("SettableHeap", error.Message);
        Assert.Contains($"{limit}", error.Message);
        Assert.Equal(9 * MiB, SettableHeap.MemoryLimit);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(100)]
    public void Set_before_the_first_block_it_holds_from_the_start(int mib)
    {
        SettableHeap.MemoryLimit = mib * MiB;
        foreach (nuint size in new nuint[] { 3 * (nuint)MiB, 200_000, 40_000, 100 })
        {
            while (SettableHeap.TryAlloc(size) != null)
                continue;
            Assert.InRange(Mapped, 1, mib * MiB);
        }

        Assert.InRange(Mapped, mib * MiB - 70_000, mib * MiB);
        Assert.Equal(mib * MiB, SettableHeap.GetStatistics().MemoryLimit);
        AssertAddsUp();
    }

    [Fact]
    public void Set_when_blocks_live_it_bounds_what_is_mapped_from_then_on_and_can_be_raised_and_taken_away()
    {
        SettableHeap.Alloc(100);
        SettableHeap.MemoryLimit = 20 * MiB;
        Assert.True(SettableHeap.TryAlloc(16 * (nuint)MiB) == null);
        Assert.True(SettableHeap.TryAlloc(12 * (nuint)MiB) != null);
        SettableHeap.MemoryLimit = 40 * MiB;
        Assert.True(SettableHeap.TryAlloc(16 * (nuint)MiB) != null);
        Assert.True(SettableHeap.TryAlloc(64 * (nuint)MiB) == null);
        SettableHeap.MemoryLimit = 0;
        Assert.True(SettableHeap.TryAlloc(64 * (nuint)MiB) != null);
        AssertAddsUp();
    }

    [Fact]
    public void Lowered_below_what_is_mapped_the_heap_trims_and_maps_nothing_more_until_enough_was_freed()
    {
        void* live = SettableHeap.Alloc(10 * (nuint)MiB);
        void*[] runs = new void*[100];
        for (int i = 0; i < runs.Length; i++)
            runs[i] = SettableHeap.Alloc(200_000);
        SettableHeap.Free(SettableHeap.Alloc(30 * (nuint)MiB));
        foreach (void* run in runs)
            SettableHeap.Free(run);
        void* small = SettableHeap.Alloc(100);
        Assert.True(Mapped > 40 * MiB, $"{Mapped} bytes mapped");

        SettableHeap.MemoryLimit = 8 * MiB;

        long trimmed = Mapped;
        Assert.InRange(trimmed, 10 * MiB, 17 * MiB);
        Assert.True(SettableHeap.TryAlloc(3 * (nuint)MiB) == null);
        // What is free in pages that are mapped is there still.
        void* other = SettableHeap.TryAlloc(100_000);
        Assert.True(other != null);
        while (SettableHeap.TryAlloc(50_000) != null)
            continue;
        Assert.Equal(trimmed, Mapped);
        AssertAddsUp();

        SettableHeap.Free(live);
        Assert.True(SettableHeap.TryAlloc(2 * (nuint)MiB + 1) != null || Mapped > 8 * MiB - 3 * MiB);
        Assert.InRange(Mapped, 1, 8 * MiB);
        SettableHeap.Free(small);
        SettableHeap.Free(other);
        AssertAddsUp();
    }

    [Fact]
    public void Destroy_leaves_it_as_it_is()
    {
        SettableHeap.MemoryLimit = 16 * MiB;
        SettableHeap.Alloc(100);
        SettableHeap.Destroy();
        Assert.Equal(16 * MiB, SettableHeap.MemoryLimit);
        Assert.True(SettableHeap.TryAlloc(17 * (nuint)MiB) == null);
    }

    [Fact]
    public void Page_runs_kept_before_it_was_set_serve_blocks_or_go_back()
    {
        List<nuint> runs = [];
        for (int i = 0; i < 100; i++)
            runs.Add((nuint)SettableHeap.Alloc(200_000));
        runs.ForEach(run => SettableHeap.Free((void*)run));
        Assert.True(SettableHeap.GetStatistics().CachedBytes > 0);

        SettableHeap.MemoryLimit = 32 * MiB;
        void* block = SettableHeap.TryAlloc(26 * (nuint)MiB);
        Assert.True(block != null);
        Assert.Equal(0, SettableHeap.GetStatistics().CachedBytes);
        SettableHeap.Free(block);
        void* run = SettableHeap.Alloc(200_000);
        SettableHeap.Free(run);
        SettableHeap.Trim();
        Assert.Equal(0, SettableHeap.GetStatistics().InUseBytes);
        AssertAddsUp();
    }

    [Fact]
    public void Changed_by_one_thread_while_others_allocate_it_loses_nothing_and_the_highest_is_never_exceeded()
    {
        const long high = 24 * MiB;
        SettableHeap.MemoryLimit = high;
        int turn = 0;
        long highest = 0;
        Threads.RunBeside(
            () =>
            {
                highest = Math.Max(highest, Mapped);
                SettableHeap.MemoryLimit = ++turn % 2 == 0 ? high : 6 * MiB;
            },
            () => Threads.Run(4, thread =>
            {
                Random random = new(thread);
                Queue<nuint> live = [];
                for (int i = 0; i < 5_000; i++)
                {
                    nuint size = (nuint)random.Next(random.Next(1, 400_000));
                    void* block = SettableHeap.TryAlloc(size);
                    if (block != null)
                        live.Enqueue((nuint)block);
                    while (live.Count > 40 || (block == null && live.Count > 0))
                    {
                        SettableHeap.Free((void*)live.Dequeue());
                        block = (void*)1;
                    }
                }

                foreach (nuint block in live)
                    SettableHeap.Free((void*)block);
            }));
        Assert.InRange(highest, 1, high);
        SettableHeap.MemoryLimit = high;
        Assert.Equal(0, SettableHeap.GetStatistics().InUseBytes);
        Assert.True(SettableHeap.TryAlloc(18 * (nuint)MiB) != null);
        AssertAddsUp();
    }

    /// <summary>Seen before: 30.5 of 33.5 million bytes mapped, and no room for a block of 1 MiB.</summary>
    [Theory]
    [InlineData(100)]
    [InlineData(30_000)]
    [InlineData(40_000)]
    [InlineData(200_000)]
    [InlineData(1 << 20)]
    [InlineData(5 << 20)]
    public void The_message_at_the_limit_says_what_is_in_use_what_is_free_and_what_could_not_be_had(int size)
    {
        SettableHeap.MemoryLimit = 32 * MiB;
        while (SettableHeap.TryAlloc((nuint)size) != null)
            continue;
        string message = Assert.Throws<OutOfMemoryException>(() => SettableHeap.Alloc((nuint)size)).Message;

        SettableHeap.HeapStatistics s = SettableHeap.GetStatistics();
        Assert.Contains($"no room for a block of {size} bytes", message);
        long needed = long.Parse(Text.Between(message, "it takes ", " bytes that are not mapped yet"));
        long left = long.Parse(Text.Between(message, $"MemoryLimit of {32 * MiB} bytes leaves ", ". "));
        Assert.Equal(32 * MiB - s.MappedBytes, left);
        Assert.True(needed > left, message);
        Assert.Contains($"{s.InUseBytes} bytes are in use, {s.FreeBytes} free", message);
    }

    /// <summary>The limit is not blamed for what it does not forbid.</summary>
    [Fact]
    public void A_limit_that_leaves_enough_is_not_blamed()
    {
        SettableHeap.MemoryLimit = long.MaxValue;
        string message = Assert.Throws<OutOfMemoryException>(() => SettableHeap.Alloc((nuint)1 << 46)).Message;
        Assert.DoesNotContain("MemoryLimit", message);
        Assert.Contains("the kernel gives no more", message);
    }

    private static void Reset()
    {
        SettableHeap.Destroy();
        SettableHeap.MemoryLimit = 0;
    }

    private static void AssertAddsUp()
    {
        SettableHeap.HeapStatistics s = SettableHeap.GetStatistics();
        Assert.Equal(s.MappedBytes, s.InUseBytes + s.FreeBytes + s.HeaderBytes + s.CachedBytes);
    }

    private static class Text
    {
        public static string Between(string text, string before, string behind)
        {
            int start = text.IndexOf(before, StringComparison.Ordinal) + before.Length;
            Assert.True(start >= before.Length && text.IndexOf(behind, start, StringComparison.Ordinal) > start, text);
            return text[start..text.IndexOf(behind, start, StringComparison.Ordinal)];
        }
    }
}
