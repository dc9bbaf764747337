namespace Emma.Templates.Tests;

/// <summary>A heap that may map 40 MiB.</summary>
[Trait("Runs", "Everywhere")]
[Trait("Runs", "Windows")]
public sealed unsafe class MemoryLimitTests : IDisposable
{
    private const nuint MiB = 1 << 20;
    private const nuint Limit = 40 * MiB;
    private const nuint PageSize = 65_536;

    public MemoryLimitTests() => LimitedHeap.Destroy();

    public void Dispose() => LimitedHeap.Destroy();

    private static nuint Mapped => (nuint)LimitedHeap.GetStatistics().MappedBytes;

    [Theory]
    [InlineData(16)]
    [InlineData(1000)]
    [InlineData(32_768)]
    [InlineData(100_000)]
    [InlineData(1 << 20)]
    [InlineData(2 << 20)]
    [InlineData(3 << 20)]
    [InlineData(10_000_000)]
    public void The_heap_never_maps_more_than_its_limit_and_works_again_after_frees(int size)
    {
        for (int round = 0; round < 3; round++)
        {
            List<nuint> blocks = [];
            for (void* block = LimitedHeap.TryAlloc((nuint)size); block != null; block = LimitedHeap.TryAlloc((nuint)size))
            {
                blocks.Add((nuint)block);
                if (size >= 32_768)
                    Assert.True(Mapped <= Limit);
            }

            Assert.True(Mapped <= Limit);
            // Less than a slab's pages and a header are left, or less than the block: as much as could be mapped, was.
            Assert.True(Limit - Mapped < Math.Max((nuint)size, 10 * PageSize) + PageSize, $"{Mapped} mapped");
            OutOfMemoryException error = Assert.Throws<OutOfMemoryException>(() => LimitedHeap.Alloc((nuint)size));
            Assert.Contains("LimitedHeap", error.Message);
            Assert.Contains($"{Limit}", error.Message);
            AssertAddsUp();

            LimitedHeap.Free((void*)blocks[^1]);
            blocks[^1] = (nuint)LimitedHeap.Alloc((nuint)size);
            blocks.ForEach(block => LimitedHeap.Free((void*)block));
        }

        Assert.Equal((nuint)0, (nuint)LimitedHeap.GetStatistics().InUseBytes);
    }

    [Fact]
    public void The_last_byte_of_the_limit_can_be_mapped_and_not_one_more()
    {
        LimitedHeap.Alloc(1);
        nuint rest = Limit - Mapped;
        Assert.True(LimitedHeap.TryAlloc(rest + 1) == null);
        Assert.True(LimitedHeap.TryAlloc(rest) != null);
        Assert.Equal(Limit, Mapped);
        Assert.True(LimitedHeap.TryAlloc(3 * MiB) == null);
        Assert.Equal(Limit, Mapped);
        AssertAddsUp();
    }

    [Fact]
    public void The_cache_of_large_blocks_is_emptied_before_allocation_fails()
    {
        void* block = LimitedHeap.Alloc(20 * MiB);
        LimitedHeap.Free(block);
        Assert.Equal(20 * MiB, (nuint)LimitedHeap.GetStatistics().CachedBytes);
        Assert.True(LimitedHeap.TryAlloc(30 * MiB) != null);
        Assert.Equal((nuint)0, (nuint)LimitedHeap.GetStatistics().CachedBytes);
    }

    [Fact]
    public void Idle_slabs_and_the_reserve_are_given_up_before_allocation_fails()
    {
        for (nuint size = 16; size <= 32_768; size *= 2)
            LimitedHeap.Free(LimitedHeap.Alloc(size));
        Assert.Equal(1, LimitedHeap.GetStatistics().Segments);
        Assert.True(LimitedHeap.TryAlloc(Limit - MiB / 4) != null);
        Assert.Equal(0, LimitedHeap.GetStatistics().Segments);
    }

    [Fact]
    public void The_cache_is_emptied_before_growing_a_block_fails()
    {
        void* cached = LimitedHeap.Alloc(10 * MiB);
        void* block = LimitedHeap.Alloc(20 * MiB);
        Pattern.Write(block, 20 * MiB, 3);
        LimitedHeap.Free(cached);
        void* grown = LimitedHeap.TryRealloc(block, 35 * MiB);
        Assert.True(grown != null, "35 MiB have room, once 10 MiB of cache are given up");
        Assert.Equal(-1, Pattern.FirstDifference(grown, 20 * MiB, 3));
        AssertAddsUp();
    }

    [AssumesLinux("pages that can be moved.")]
    [Fact]
    public void Growing_a_large_block_needs_only_the_difference()
    {
        void* block = LimitedHeap.Alloc(20 * MiB);
        Pattern.Write(block, 20 * MiB, 3);
        void* wall = LimitedHeap.Alloc(3 * MiB);
        void* grown = LimitedHeap.TryRealloc(block, 35 * MiB);
        Assert.True(grown != null);
        Assert.NotEqual((nuint)block, (nuint)grown);
        Assert.Equal(-1, Pattern.FirstDifference(grown, 20 * MiB, 3));
        Assert.True(LimitedHeap.TryRealloc(grown, 45 * MiB) == null);
        Assert.Throws<OutOfMemoryException>(() => LimitedHeap.Realloc(grown, 45 * MiB));
        Assert.Equal(-1, Pattern.FirstDifference(grown, 20 * MiB, 3));
        LimitedHeap.Free(grown);
        LimitedHeap.Free(wall);
        AssertAddsUp();
    }

    [Fact]
    public void Alignment_costs_addresses_and_is_not_charged()
    {
        for (int i = 0; i < 100; i++)
            Assert.Equal((nuint)0, (nuint)LimitedHeap.AlignedAlloc(4096, 1 << 30) % (1 << 30));
        Assert.True(Mapped <= Limit);
        AssertAddsUp();
    }

    [Fact]
    public void Many_threads_at_the_limit_never_exceed_it_and_lose_nothing()
    {
        nuint highest = 0;
        int refused = 0;
        Threads.RunBeside(() => highest = Math.Max(highest, Mapped), () => Threads.Run(4, thread =>
        {
            Random random = new Random(thread);
            Queue<nuint> live = [];
            for (int i = 0; i < 20_000; i++)
            {
                nuint size = random.Next(20) == 0 ? (nuint)random.Next(3 << 20) : (nuint)random.Next(20_000);
                void* block = LimitedHeap.TryAlloc(size);
                if (block == null)
                    Interlocked.Increment(ref refused);
                else
                    live.Enqueue((nuint)block);
                while (live.Count > 100 || (block == null && live.Count > 0))
                {
                    LimitedHeap.Free((void*)live.Dequeue());
                    block = (void*)1;
                }
            }

            foreach (nuint block in live)
                LimitedHeap.Free((void*)block);
        }));
        Assert.True(highest <= Limit, $"{highest} bytes were mapped");
        Assert.True(refused > 0);
        Assert.Equal((nuint)0, (nuint)LimitedHeap.GetStatistics().InUseBytes);
        AssertAddsUp();
        Assert.True(LimitedHeap.TryAlloc(30 * MiB) != null);
    }

    [Fact]
    public void Without_thread_caches_threads_that_hold_one_block_each_are_never_refused_while_a_segment_has_room()
    {
        // One segment has room for everybody; another cannot be mapped. Each thread frees before it allocates again.
        void* wall = LimitedLockedHeap.Alloc(33 * MiB);
        int refused = 0;
        Threads.Run(4, thread =>
        {
            Random random = new Random(thread);
            for (int i = 0; i < 50_000; i++)
            {
                void* block = LimitedLockedHeap.TryAlloc((nuint)random.Next(32_768));
                if (block == null)
                    Interlocked.Increment(ref refused);
                LimitedLockedHeap.Free(block);
            }
        });
        LimitedLockedHeap.Free(wall);
        LimitedLockedHeap.Destroy();
        Assert.Equal(0, refused);
    }

    [Fact]
    public void Threads_that_hold_one_page_run_each_are_never_refused_while_a_segment_has_room()
    {
        // No thread keeps blocks of more than 32 KiB for itself.
        void* wall = LimitedHeap.Alloc(33 * MiB);
        int refused = 0;
        Threads.Run(4, thread =>
        {
            Random random = new Random(thread);
            for (int i = 0; i < 50_000; i++)
            {
                void* block = LimitedHeap.TryAlloc((nuint)random.Next(32_769, 9 * (int)PageSize));
                if (block == null)
                    Interlocked.Increment(ref refused);
                LimitedHeap.Free(block);
            }
        });
        Assert.Equal(0, refused);
        LimitedHeap.Free(wall);
    }

    [Fact]
    public void A_thread_is_never_refused_for_what_it_keeps_itself()
    {
        // One segment has room for one block of any size, but not for the slabs of all sizes at once.
        void* wall = LimitedHeap.Alloc(33 * MiB);
        Random random = new Random(1);
        for (int i = 0; i < 50_000; i++)
        {
            nuint size = (nuint)random.Next(32_768);
            void* block = LimitedHeap.TryAlloc(size);
            Assert.True(block != null, $"step {i}, size {size}");
            LimitedHeap.Free(block);
        }

        LimitedHeap.Free(wall);
    }

    [Fact]
    public void What_the_caller_and_the_depots_keep_is_given_up_before_allocation_fails()
    {
        FreeSmallBlocks(32 * MiB);
        Assert.True((nuint)LimitedHeap.GetStatistics().CachedBytes > 2 * MiB);
        Assert.True(LimitedHeap.TryAlloc(37 * MiB) != null);
        Assert.Equal((nuint)0, (nuint)LimitedHeap.GetStatistics().CachedBytes);
        AssertAddsUp();
    }

    [Fact]
    public void What_ended_threads_kept_is_given_up_before_allocation_fails()
    {
        Threads.Run(8, _ => FreeSmallBlocks(4 * MiB));
        Assert.True((nuint)LimitedHeap.GetStatistics().CachedBytes > 2 * MiB);
        Assert.True(LimitedHeap.TryAlloc(37 * MiB) != null);
        Assert.Equal((nuint)0, (nuint)LimitedHeap.GetStatistics().CachedBytes);
        AssertAddsUp();
    }

    [Fact]
    public void What_one_living_thread_keeps_takes_no_more_of_the_limit_than_its_slabs()
    {
        using var turn = new Barrier(2);
        Threads.Run(2, thread =>
        {
            if (thread == 0)
            {
                FreeSmallBlocks(16 * MiB);
                turn.SignalAndWait();
                turn.SignalAndWait();
                return;
            }

            turn.SignalAndWait();
            // The other thread's blocks stay where they are, in segments that hold nothing else; the rest of the limit is there for all.
            LimitedHeap.Trim();
            nuint kept = Mapped;
            void* block = LimitedHeap.TryAlloc(Limit - kept - LargerPages.Bytes);
            turn.SignalAndWait();
            Assert.True(block != null, $"{kept} bytes were mapped");
        });
        AssertAddsUp();
    }

    /// <summary>Without a limit each would have slabs of its own, for the sake of the cache lines.</summary>
    [Fact]
    public void Threads_share_slabs_so_that_a_few_blocks_of_each_take_no_more_of_the_limit_than_those_of_one()
    {
        nuint ofOne = MappedForBlocksOfEveryClass(threads: 1);
        nuint ofFour = MappedForBlocksOfEveryClass(threads: 4);
        Assert.InRange(ofFour, ofOne, ofOne + 4 * MiB);
    }

    // What is mapped when each of some threads that live at once has a block of every class, the smallest first.
    private static nuint MappedForBlocksOfEveryClass(int threads)
    {
        LimitedHeap.Destroy();
        using var turn = new Barrier(threads);
        Threads.Run(threads, _ =>
        {
            for (nuint size = 16; size <= 32_768; size += Math.Max(16, size / 8))
            {
                LimitedHeap.Alloc(size);
                turn.SignalAndWait();
            }
        });
        return Mapped;
    }

    [Fact]
    public void A_refused_allocation_leaves_every_block_as_it_was()
    {
        List<(nuint Address, nuint Size)> blocks = [];
        Random random = new Random(5);
        int[] mostBytes = [1000, 40_000, 400_000];
        while (true)
        {
            nuint size = (nuint)random.Next(mostBytes[blocks.Count % mostBytes.Length]);
            void* block = LimitedHeap.TryAlloc(size);
            if (block == null)
                break;
            Pattern.Write(block, size, (ulong)blocks.Count);
            blocks.Add(((nuint)block, size));
        }

        nuint inUse = (nuint)LimitedHeap.GetStatistics().InUseBytes;
        foreach (nuint size in new nuint[] { 500_000, 2 * MiB, 3 * MiB, 38 * MiB, nuint.MaxValue })
        {
            Assert.True(LimitedHeap.TryAlloc(size) == null);
            Assert.True(LimitedHeap.TryAllocZeroed(size) == null);
            Assert.True(LimitedHeap.TryRealloc((void*)blocks[0].Address, size) == null);
            Assert.Throws<OutOfMemoryException>(() => LimitedHeap.Local.Alloc(size));
        }

        Assert.Equal(inUse, (nuint)LimitedHeap.GetStatistics().InUseBytes);
        AssertAddsUp();
        for (int i = 0; i < blocks.Count; i++)
        {
            Assert.True(Pattern.FirstDifference((void*)blocks[i].Address, blocks[i].Size, (ulong)i) < 0,
                $"block {i} of {blocks[i].Size} bytes");
            LimitedHeap.Free((void*)blocks[i].Address);
        }

        Assert.Equal((nuint)0, (nuint)LimitedHeap.GetStatistics().InUseBytes);
    }

    [Fact]
    public void Pages_that_Trim_is_discarding_are_waited_for_before_allocation_fails()
    {
        // One segment is left, and half of it is wanted: there is one place for it, which Trim takes out of use while it discards it.
        void* wall = LimitedHeap.Alloc(33 * MiB);
        void* pin = LimitedHeap.Alloc(16);
        int refused = 0;
        Threads.RunBeside(() => LimitedHeap.Trim(), () =>
        {
            for (int i = 0; i < 5_000; i++)
            {
                byte* block = (byte*)LimitedHeap.TryAlloc(2 * MiB);
                if (block == null)
                    refused++;
                else
                    *block = 1;
                LimitedHeap.Free(block);
            }
        });
        Assert.Equal(0, refused);
        LimitedHeap.Free(pin);
        LimitedHeap.Free(wall);
    }

    [Fact]
    public void Every_segment_is_searched_for_a_hole_before_allocation_fails()
    {
        // The hole of three pages lies in the segment that is listed last, behind eight with holes of two.
        List<nuint[]> segments = FillSegments(9, [.. Enumerable.Repeat(3, 20), 2, 1]);
        LimitedHeap.Free((void*)segments[0][5]);
        foreach (nuint[] runs in segments.Skip(1))
            LimitedHeap.Free((void*)runs[20]);
        Assert.Equal(segments[0][5], (nuint)LimitedHeap.TryAlloc(3 * PageSize));
    }

    [Fact]
    public void Every_segment_is_searched_for_an_aligned_hole_before_allocation_fails()
    {
        // Every segment has a hole of two pages; only the one listed last has it at an even page.
        List<nuint[]> segments = FillSegments(1, [1, .. Enumerable.Repeat(2, 31)]);
        segments.AddRange(FillSegments(8, [.. Enumerable.Repeat(2, 31), 1]));
        LimitedHeap.Free((void*)segments[0][1]);
        foreach (nuint[] runs in segments.Skip(1))
            LimitedHeap.Free((void*)runs[0]);
        Assert.Equal(segments[0][1], (nuint)LimitedHeap.TryAlignedAlloc(2 * PageSize, 2 * PageSize));
    }

    // Fills segments to the last page with runs of some lengths.
    private static List<nuint[]> FillSegments(int segments, int[] pages)
    {
        List<nuint[]> all = [];
        for (int i = 0; i < segments; i++)
            all.Add(Array.ConvertAll(pages, count => (nuint)LimitedHeap.Alloc((nuint)count * PageSize)));
        Assert.Equal((nuint)0, (nuint)LimitedHeap.GetStatistics().FreeBytes);
        return all;
    }

    [Fact]
    public void A_limit_that_holds_no_block_is_out_of_memory_from_the_start()
    {
        Assert.True(TinyHeap.TryAlloc(1) == null);
        Assert.Throws<OutOfMemoryException>(() => TinyHeap.AllocZeroed(5 << 20));
        Assert.Equal((nuint)0, (nuint)TinyHeap.GetStatistics().InUseBytes);
        Assert.Equal(0, TinyHeap.GetStatistics().Segments);
    }

    [AssumesLinux("a call of its own is slowed down.")]
    [Fact]
    public void Whoever_finds_no_room_waits_for_what_another_thread_is_cutting_off()
    {
        SlowHeap.Begin();
        void* first = SlowHeap.Alloc(11 * MiB);
        void* second = SlowHeap.Alloc(11 * MiB);
        SlowHeap.Free(SlowHeap.Alloc(11 * MiB));
        Thread other = new Thread(() =>
        {
            SlowHeap.SlowDown();
            SlowHeap.Free(SlowHeap.Alloc(3 * MiB));
        });
        other.Start();
        SlowHeap.IsUnmapping.Wait();
        void* third = SlowHeap.TryAlloc(11 * MiB);
        other.Join();
        Assert.True(third != null);
        SlowHeap.Free(first);
        SlowHeap.Free(second);
        SlowHeap.Free(third);
        SlowHeap.Destroy();
    }

    [Fact]
    public void Even_a_limit_below_the_code_page_is_kept()
    {
        Assert.True(TinyHeap.TryAlloc(1) == null);
        Assert.True((nuint)TinyHeap.GetStatistics().MappedBytes <= 1, $"{(nuint)TinyHeap.GetStatistics().MappedBytes} bytes mapped");
    }

    // Allocates and frees so many bytes in blocks of all powers of two up to 32 KiB.
    private static void FreeSmallBlocks(nuint bytes)
    {
        List<nuint> blocks = [];
        for (nuint size = 16; bytes >= size; size = size == 32_768 ? 16 : size * 2)
        {
            blocks.Add((nuint)LimitedHeap.Alloc(size));
            bytes -= size;
        }

        blocks.ForEach(block => LimitedHeap.Free((void*)block));
    }

    private static void AssertAddsUp()
    {
        LimitedHeap.HeapStatistics s = LimitedHeap.GetStatistics();
        Assert.Equal((nuint)s.MappedBytes, (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes);
    }
}
