namespace Emma.Hosting.Tests;

/// <summary>The table of docs/guide/host-plugins.md: each member of a host's view with each form of heap.</summary>
public sealed class MemberTests(ITestOutputHelper output)
{
    private const long KiB = 1 << 10;
    private const long MiB = 1 << 20;

    public static TheoryData<string> Forms => [.. Plugin.Forms];

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_heap_that_has_not_started_reads_as_zeros_and_is_not_started_by_being_looked_at(string form)
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(form);
        int codePages = ProcessMaps.CodePages().Count;
        long limit = form == Plugin.Limited ? 40 * MiB : 0;

        Assert.Equal(limit, heap.MemoryLimit);
        Assert.Equal(0u, heap.Trim());
        Assert.False(heap.Owns((nuint)1 << 30));
        Assert.Null(heap.OutOfMemoryHandler);
        HeapStatistics statistics = heap.GetStatistics();
        Assert.Equal(limit, statistics.MemoryLimit);
        Assert.Equal(
            0,
            statistics.MappedBytes + statistics.InUseBytes + statistics.FreeBytes + statistics.HeaderBytes + statistics.CachedBytes
            + statistics.PeakMappedBytes + statistics.LiveBlocks + statistics.FailedAllocations + statistics.Segments
            + statistics.LargeBlocks + statistics.ThreadCaches);
        // Those of heaps that earlier tests have used go meanwhile.
        Assert.True(ProcessMaps.CodePages().Count <= codePages);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_figures_are_the_heaps_own(string form)
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(form);
        nint[] blocks = [.. Enumerable.Range(0, 100).Select(_ => plugin.Alloc(form, 1000)), plugin.Alloc(form, 3 * (nint)MiB)];
        Assert.Equal(0, plugin.TryAlloc(form, (nint)1 << 50));

        HeapStatistics statistics = heap.GetStatistics();
        Assert.InRange(statistics.InUseBytes, 3 * MiB + 100_000, 4 * MiB);
        Assert.Equal(
            statistics.MappedBytes,
            statistics.InUseBytes + statistics.FreeBytes + statistics.HeaderBytes + statistics.CachedBytes);
        Assert.True(statistics.PeakMappedBytes >= statistics.MappedBytes);
        Assert.Equal(101, statistics.LiveBlocks);
        Assert.Equal(1, statistics.FailedAllocations);
        Assert.Equal(form == "Forms.Locked" ? 0 : 1, statistics.ThreadCaches);
        Assert.InRange(statistics.LargeBlocks, 1, 1);
        Assert.InRange(statistics.Segments, 1, 1);
        Assert.Contains("101 blocks", statistics.ToString());
        Assert.True(heap.Owns((nuint)blocks[0]));
        Assert.False(plugin.Heap(form == Plugin.Plain ? Plugin.Limited : Plugin.Plain).Owns((nuint)blocks[0]));

        Array.ForEach(blocks, block => plugin.Free(form, block));
        Assert.True(heap.Trim() >= 3 * MiB);
        Assert.Equal(0, heap.GetStatistics().InUseBytes);
        Assert.Equal(0, heap.GetStatistics().Segments);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void After_Destroy_a_heap_reads_as_empty_and_keeps_limit_and_handler(string form)
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(form);
        Func<nuint, bool> handler = _ => false;
        heap.OutOfMemoryHandler = handler;
        heap.MemoryLimit = 20 * MiB;
        nint block = plugin.Alloc(form, 1000);
        plugin.Destroy(form);

        HeapStatistics statistics = heap.GetStatistics();
        Assert.Equal((0, 0, 0), (statistics.InUseBytes, statistics.LiveBlocks, statistics.Segments));
        Assert.InRange(statistics.MappedBytes, 0, 8 * KiB);
        Assert.False(heap.Owns((nuint)block));
        Assert.Equal(20 * MiB, heap.MemoryLimit);
        Assert.Same(handler, heap.OutOfMemoryHandler);
        Assert.NotEqual(0, plugin.Alloc(form, 1000));
    }

    /// <summary>No thread may use a heap that is being destroyed; of a host, whoever destroys it knows nothing.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void A_host_may_look_at_a_heap_trim_and_bound_it_while_the_plugin_destroys_it(string form)
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(form);
        nint[] blocks = new nint[100];
        bool done = false;
        Exception? failure = null;
        int looks = 0;
        Thread[] threads = [.. Enumerable.Range(0, 2).Select(_ => new Thread(() =>
        {
            try
            {
                while (!Volatile.Read(ref done))
                {
                    HeapStatistics statistics = heap.GetStatistics();
                    Assert.InRange(statistics.MappedBytes, 0, 1 << 30);
                    foreach (ref nint block in blocks.AsSpan())
                        heap.Owns((nuint)Volatile.Read(ref block));
                    heap.Trim();
                    heap.MemoryLimit = 64 * MiB;
                    Interlocked.Increment(ref looks);
                }
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        for (int round = 0; round < Length.Of(200, 2000) || (looks < 100 && failure is null); round++)
        {
            for (int i = 0; i < blocks.Length; i++)
                Volatile.Write(ref blocks[i], plugin.Alloc(form, i == 0 ? 3 * (nint)MiB : 300 * i));
            plugin.Destroy(form);
        }

        Volatile.Write(ref done, true);
        Array.ForEach(threads, thread => thread.Join());
        Assert.Null(failure);
        Assert.Equal(0, heap.GetStatistics().InUseBytes);
    }

    /// <summary>As good as a limit of the attribute: homes, kept runs and reserves follow the limit that the host has set.</summary>
    [Theory]
    [InlineData("Forms.Plain", 1)]
    [InlineData("Forms.Locked", 1)]
    [InlineData("Forms.Checked", 0.94)]
    [InlineData("Forms.Hardened", 0.4)]
    [InlineData("Forms.Limited", 1)]
    public void A_limit_that_the_host_sets_before_the_first_block_can_be_used(string form, double shareOfForm)
    {
        foreach (long size in Length.IsLong ? new long[] { 16, 100, 5000, 28_000, 32_769, 200_000, 1 << 20 } : [100, 32_769, 1 << 20])
        {
            using Plugin plugin = new();
            EmmaHeap heap = plugin.Heap(form);
            heap.MemoryLimit = 24 * MiB;
            Func<string, nint, nint> tryAlloc = plugin.TryAllocs;
            long count = 0;
            while (tryAlloc(form, (nint)size) != 0)
                count++;

            long leastCount = (long)(shareOfForm * 0.92 * (24 * MiB - 256 * KiB)) / plugin.GoodSize(form, (nint)size);
            Assert.True(count >= leastCount, $"{count} blocks of {size} bytes, {leastCount} expected: {heap.GetStatistics()}");
            Assert.InRange(heap.GetStatistics().MappedBytes, 1, 24 * MiB);
            Assert.Equal(1, heap.GetStatistics().FailedAllocations);
        }
    }

    [Fact]
    public void What_a_plugin_has_lent_is_counted()
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(Plugin.Plain);
        Assert.False(heap.GetStatistics().HasCallbacks);

        IDisposable[] lent = plugin.Lend();
        HeapStatistics statistics = heap.GetStatistics();
        Assert.Equal((2, 2, 1), (statistics.LiveOwners, statistics.LivePins, statistics.LiveArenas));
        Assert.True(statistics.HasCallbacks);

        Array.ForEach(lent, one => one.Dispose());
        statistics = heap.GetStatistics();
        Assert.Equal((0, 0, 0), (statistics.LiveOwners, statistics.LivePins, statistics.LiveArenas));
        Assert.Equal(0, statistics.InUseBytes);
    }

    /// <summary>
    /// Where four threads allocate in turn, free, and live on, what is left depends on lists of slabs, kept page runs and reserves: a heap
    /// without a limit has more of these.
    /// </summary>
    [Theory]
    [InlineData(100, 5000)]
    [InlineData(5000, 200_000)]
    [InlineData(200_000, 100)]
    [InlineData(60_000, 1 << 20)]
    public void Several_threads_get_as_much_of_a_hosts_limit_as_of_the_attributes(int first, int then)
    {
        using Plugin plugin = new();
        Assert.Equal(0, plugin.Heap(Plugin.Plain).Options.MemoryLimit);
        plugin.Heap(Plugin.Plain).MemoryLimit = plugin.Heap(Plugin.Limited).MemoryLimit;
        (long first, long then) ofHost = FillAndFillAgain(plugin, Plugin.Plain, first, then);
        (long first, long then) ofAttribute = FillAndFillAgain(plugin, Plugin.Limited, first, then);
        output.WriteLine($"{ofHost} blocks under the host's limit, {ofAttribute} under the attribute's");
        Assert.Equal(ofAttribute, ofHost);
        Assert.InRange(plugin.Heap(Plugin.Plain).GetStatistics().PeakMappedBytes, 1, 40 * MiB);
    }

    // Blocks that four threads get in turn, and those of another size that this thread gets when they have freed theirs and live still.
    private static (long First, long Then) FillAndFillAgain(Plugin plugin, string form, int first, int then)
    {
        const int threads = 4;
        Func<string, nint, nint> tryAlloc = plugin.TryAllocs;
        Stack<nint>[] blocks = [.. Enumerable.Range(0, threads).Select(_ => new Stack<nint>())];
        SemaphoreSlim[] turns = [.. Enumerable.Range(0, threads).Select(_ => new SemaphoreSlim(0))];
        using SemaphoreSlim end = new(0);
        using SemaphoreSlim leave = new(0);
        long count = 0;
        int allocated = 0;
        int freed = 0;
        Thread[] all = [.. Enumerable.Range(0, threads).Select(i => new Thread(() =>
        {
            InTurns(i, AllocateSome, ref allocated);
            count += blocks[i].Count;
            InTurns(i, FreeSome, ref freed);
            end.Release();
            leave.Wait();
        }))];
        Array.ForEach(all, thread => thread.Start());
        turns[0].Release();
        for (int i = 0; i < threads; i++)
            end.Wait();
        long again = 0;
        while (tryAlloc(form, then) != 0)
            again++;
        leave.Release(threads);
        Array.ForEach(all, thread => thread.Join());
        return (count, again);

        // One thread at a time, each again and again until all have nothing more to do.
        void InTurns(int i, Func<int, bool> step, ref int done)
        {
            bool isDone = false;
            for (bool goesOn = true; goesOn;)
            {
                turns[i].Wait();
                goesOn = done < threads;
                if (goesOn && !isDone && !step(i))
                {
                    isDone = true;
                    done++;
                }

                turns[(i + 1) % threads].Release();
            }
        }

        bool AllocateSome(int i)
        {
            for (int n = 0; n < 16; n++)
            {
                nint block = tryAlloc(form, first);
                if (block == 0)
                    return false;
                blocks[i].Push(block);
            }

            return true;
        }

        bool FreeSome(int i)
        {
            for (int n = 0; n < 16 && blocks[i].TryPop(out nint block); n++)
                plugin.Free(form, block);
            return blocks[i].Count != 0;
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_limit_may_be_changed_while_the_heap_runs(string form)
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(form);
        plugin.Alloc(form, 1000);
        heap.MemoryLimit = 16 * MiB;
        Assert.Equal(0, plugin.TryAlloc(form, 30 * (nint)MiB));
        heap.MemoryLimit = 64 * MiB;
        Assert.NotEqual(0, plugin.TryAlloc(form, 30 * (nint)MiB));
        Assert.Equal(64 * MiB, heap.GetStatistics().MemoryLimit);
        Assert.Throws<ArgumentOutOfRangeException>(() => heap.MemoryLimit = -1);
        Assert.Equal(64 * MiB, heap.MemoryLimit);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_host_is_asked_after_the_plugin_and_may_make_room(string form)
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(form);
        heap.MemoryLimit = 8 * MiB;
        List<string> asked = [];
        plugin.SetHandler(form, wanted =>
        {
            asked.Add($"plugin {wanted}");
            return false;
        });
        heap.OutOfMemoryHandler = wanted =>
        {
            asked.Add($"host {wanted}");
            heap.Trim();
            heap.MemoryLimit += 8 * MiB;
            return heap.MemoryLimit <= 24 * MiB;
        };

        Assert.NotEqual(0, plugin.Alloc(form, 14 * (nint)MiB));
        Assert.Equal(["plugin 14680064", "host 14680064"], asked[..2]);
        Assert.Equal(0, heap.GetStatistics().FailedAllocations);

        asked.Clear();
        Assert.Throws<OutOfMemoryException>(() => plugin.Alloc(form, 200 * (nint)MiB));
        Assert.NotEmpty(asked);
        Assert.Equal(1, heap.GetStatistics().FailedAllocations);
    }

    [Fact]
    public void A_second_handler_of_a_host_is_refused_until_the_first_is_taken_away()
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(Plugin.Plain);
        Func<nuint, bool> first = _ => false;
        heap.OutOfMemoryHandler = first;
        Assert.Contains(heap.ToString(), Assert.Throws<InvalidOperationException>(() => heap.OutOfMemoryHandler = _ => true).Message);
        Assert.Same(first, heap.OutOfMemoryHandler);
        heap.OutOfMemoryHandler = null;
        heap.OutOfMemoryHandler = first;
        // Another heap's place is its own.
        plugin.Heap("Forms.Locked").OutOfMemoryHandler = first;
    }

    [Fact]
    public void What_the_hosts_handler_throws_reaches_the_plugin()
    {
        using Plugin plugin = new();
        EmmaHeap heap = plugin.Heap(Plugin.Plain);
        heap.MemoryLimit = 8 * MiB;
        heap.OutOfMemoryHandler = wanted => throw new TimeZoneNotFoundException($"{wanted}");
        Assert.Contains("20971520", Assert.Throws<TimeZoneNotFoundException>(() => plugin.Alloc(Plugin.Plain, 20 * (nint)MiB)).Message);
        Assert.NotEqual(0, plugin.Alloc(Plugin.Plain, 1000));
    }

    /// <summary>Two heaps of an application that is not unloaded: the host's own.</summary>
    [Fact]
    public void Heaps_of_the_application_itself_are_found_too()
    {
        EmmaHeap heap = Assert.Single(EmmaHeap.In(typeof(MemberTests).Assembly));
        Assert.Equal("Emma.Hosting.Tests.OwnHeap", heap.Name);
        Assert.Equal("Default", heap.ContextName);
        Assert.Contains(heap, EmmaHeap.In(System.Runtime.Loader.AssemblyLoadContext.Default));
        unsafe
        {
            void* block = OwnHeap.Alloc(100);
            Assert.True(heap.Owns(block));
            Assert.True(heap.GetStatistics().LiveBlocks >= 1);
            OwnHeap.Free(block);
        }
    }

    /// <summary>In a child that is forked, with what its parent has run before.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void A_forked_child_reads_and_bounds_a_heap_that_is_prepared(string form)
    {
        (int exitCode, string output) = OwnProgram.Run([Program.ForkArgument, form], ("DOTNET_TieredCompilation", "0"));
        Assert.True(exitCode == 0, $"{exitCode}: {output}");
    }
}
