using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What only a hardened heap promises of its blocks, as long as nobody misuses them, and what it refuses.</summary>
        public sealed class HardenedBlockTests : HeapTest
        {
            private static readonly nuint[] s_sizes =
                [0, 1, 7, 8, 9, 15, 16, 24, 100, 1000, 4088, 4096, 30_000, 32_760, 32_761, 65_536, 262_144, (4 << 20) - 5, 4 << 20,
                    9 << 20];

            public static TheoryData<int> Sizes => new(s_sizes.Select(size => (int)size));

            [Theory]
            [MemberData(nameof(Sizes))]
            public void A_block_is_all_zeros_and_as_large_as_was_asked_for(int size)
            {
                for (int i = 0; i < 40; i++)
                {
                    void* block = Alloc((nuint)size);
                    Expect.True(Pattern.IsZero(block, (nuint)size), $"size {size}, block {i}");
                    Expect.Equal((nuint)size, UsableSize(block));
                    Expect.Equal((nuint)size, GoodSize((nuint)size));
                    Expect.True(((nuint)block & 15) == 0, $"size {size}: 0x{(nuint)block:x}");
                    Pattern.Write(block, (nuint)size, (ulong)i);
                    Free(block);
                }
            }

            [Theory]
            [MemberData(nameof(Sizes))]
            public void A_freed_block_is_refused_and_its_address_not_used_again_at_once(int size)
            {
                void* block = Alloc((nuint)size);
                Free(block);
                for (int i = 0; i < 10; i++)
                {
                    void* next = Alloc((nuint)size);
                    Expect.NotEqual((nuint)block, (nuint)next);
                    AssertRefused(block);
                    Free(next);
                }

                AssertRefused(block);
            }

            [Theory]
            [MemberData(nameof(Sizes))]
            public void Addresses_beside_and_inside_a_block_are_refused(int size)
            {
                byte* block = (byte*)Alloc((nuint)size);
                foreach (long offset in new long[] { -4096, -32, -16, -1, 1, 8, 16, 24, 4096, 1 << 20, 1 << 30 })
                    AssertRefused((byte*)((long)block + offset));
                Free(block);
            }

            [Theory]
            [InlineData(1)]
            [InlineData(40_000)]
            [InlineData(5 << 20)]
            public void Alignments_up_to_a_segments_hold(int size)
            {
                for (nuint alignment = 1; alignment <= 8 << 20; alignment *= 2)
                {
                    void* block = AlignedAlloc((nuint)size, alignment);
                    Expect.True(((nuint)block & (alignment - 1)) == 0, $"size {size}, alignment {alignment}: 0x{(nuint)block:x}");
                    Expect.Equal((nuint)size, UsableSize(block));
                    Pattern.Write(block, (nuint)size, alignment);
                    void* moved = AlignedRealloc(block, (nuint)size * 3, alignment);
                    Expect.Equal(-1, Pattern.FirstDifference(moved, (nuint)size, alignment));
                    AlignedFree(moved);
                }
            }

            [Theory]
            [InlineData(0)]
            [InlineData(100)]
            [InlineData(40_000)]
            [InlineData(5 << 20)]
            public void A_freed_block_is_said_to_be_freed_and_an_address_inside_one_to_be_inside(int size)
            {
                byte* block = (byte*)Alloc((nuint)size);
                ArgumentException inside = Expect.Throws<ArgumentException>(() => Free(block + 8));
                Free(block);

                Expect.Contains("inside a block", inside.Message);
                Expect.Contains("freed already", Expect.Throws<ArgumentException>(() => Free(block)).Message);
                Expect.Contains("freed already", Expect.Throws<ArgumentException>(() => UsableSize(block)).Message);
                Expect.Contains("freed already", Expect.Throws<ArgumentException>(() => Realloc(block, 10)).Message);
            }

            /// <summary>Beyond the addresses that there are for them they are small blocks; nothing is searched then.</summary>
            [Fact]
            public void More_blocks_of_no_bytes_than_have_addresses_are_had_and_freed_in_any_order()
            {
                const int count = 6000;
                nuint[] blocks = new nuint[count];
                for (int i = 0; i < count; i++)
                    blocks[i] = (nuint)Alloc(0);
                Expect.Equal(count, blocks.Distinct().Count());
                Expect.Equal(4096, blocks.Count(block => Small->Empty.Contains(block)));

                new Random(7).Shuffle(blocks);
                for (int i = 0; i < count / 2; i++)
                    Free((void*)blocks[i]);
                for (int i = 0; i < count / 2; i++)
                    blocks[i] = (nuint)Alloc(0);
                Expect.Equal(count, blocks.Distinct().Count());
                foreach (nuint block in blocks)
                    Free((void*)block);
                Expect.Throws<ArgumentException>(() => Free((void*)blocks[0]));
            }

            [Theory]
            [InlineData(16_384)]
            [InlineData(65_536)]
            public void Aligned_blocks_are_live_whatever_the_kernels_pages(int page) =>
                ChildProcess.MustSucceed(nameof(Scenarios.AlignFewBytes), (LargerPages.Variable, $"{page}"));

            [Fact]
            public void Realloc_keeps_the_contents_and_shows_nobody_what_was_there_before()
            {
                Random random = new Random(7);
                byte* block = (byte*)Alloc(1);
                nuint size = 1;
                block[0] = 1;
                for (int i = 0; i < Length.Of(500, 2000); i++)
                {
                    nuint next = (nuint)(1 << random.Next(19)) + (nuint)random.Next(20);
                    block = (byte*)Realloc(block, next);
                    Expect.Equal(next, UsableSize(block));
                    int kept = (int)Math.Min(size, next);
                    Span<byte> bytes = new Span<byte>(block, (int)next);
                    Expect.True(bytes[..kept].IndexOfAnyExcept((byte)1) < 0, $"step {i}, from {size} to {next}");
                    Expect.True(bytes[kept..].IndexOfAnyExcept((byte)0) < 0, $"step {i}, from {size} to {next}");
                    Fill(block, next, 1);
                    size = next;
                }

                Free(block);
            }

            [Theory]
            [InlineData(8)]
            [InlineData(1000)]
            [InlineData(40_000)]
            public void Of_two_threads_that_free_a_block_at_the_very_same_time_one_is_refused(int size)
            {
                for (int round = 0; round < 20; round++)
                {
                    void* block = Alloc((nuint)size);
                    int refused = 0;
                    using Barrier barrier = new Barrier(2);
                    Threads.Run(2, _ =>
                    {
                        barrier.SignalAndWait();
                        if (Record.Exception(() => Free(block)) is ArgumentException)
                            Interlocked.Increment(ref refused);
                    });
                    Expect.Equal(1, refused);
                }
            }

            /// <summary>
            /// As above, for threads that have freed so much that they go the short way, and meet within a few instructions.
            /// </summary>
            [Theory]
            [InlineData(8)]
            [InlineData(24)]
            [InlineData(100)]
            [InlineData(1000)]
            [InlineData(4000)]
            public void Of_two_threads_that_have_freed_much_and_free_a_block_at_once_one_is_refused(int size)
            {
                const int rounds = 3000;
                nuint[] blocks = [.. Enumerable.Range(0, rounds).Select(_ => (nuint)Alloc((nuint)size))];
                int[] refused = new int[rounds];
                int arrived = 0;
                Threads.Run(2, _ =>
                {
                    for (int i = 0; i < 600; i++)
                        Free(Alloc((nuint)size));
                    for (int round = 0; round < rounds; round++)
                    {
                        Interlocked.Increment(ref arrived);
                        while (Volatile.Read(ref arrived) < 2 * (round + 1))
                            Thread.SpinWait(1);
                        try
                        {
                            Free((void*)blocks[round]);
                        }
                        catch (ArgumentException)
                        {
                            Interlocked.Increment(ref refused[round]);
                        }
                    }
                });
                Expect.All(refused, count => Expect.Equal(1, count));
                AssertStatisticsAddUp();
            }

            [Fact]
            public void Blocks_held_back_are_counted_whatever_sizes_are_freed_in_turn()
            {
                Random random = new Random(3);
                void* pin = Alloc(16);
                for (int i = 0; i < 6000; i++)
                {
                    Free(Alloc(random.Next(100) == 0 ? 20_000 : (nuint)random.Next(1, i < 2000 ? 100 : 2000)));
                    nuint held = Small->Caches.Current()->Quarantine.Bytes;
                    Expect.InRange(held, (nuint)16, (nuint)Quarantine.MaxBytes);
                    if (i % 1000 == 999)
                        AssertStatisticsAddUp(pin);
                }

                Trim();
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)32, (nuint)s.InUseBytes);
                Expect.Equal((nuint)0, (nuint)s.CachedBytes);
                Free(pin);
            }

            [Fact]
            public void Copy_Fill_and_Clear_are_refused_where_they_would_leave_the_block()
            {
                byte* elsewhere = stackalloc byte[300];
                foreach (nuint size in new nuint[] { 8, 100, 255 })
                {
                    byte* block = (byte*)Alloc(size);
                    Copy(elsewhere, block, size);
                    Copy(elsewhere, block + 1, size - 1);
                    Expect.Throws<ArgumentException>(() => Copy(elsewhere, block, size + 1));
                    Expect.Throws<ArgumentException>(() => Copy(elsewhere, block + 1, size));
                    Expect.Throws<ArgumentException>(() => Copy(block, elsewhere, size + 1));
                    Expect.Throws<ArgumentException>(() => Clear((void*)((nuint)block - 1), 1));
                    Expect.Throws<ArgumentException>(() => Fill(block, size + 1, 1));
                    Free(block);
                    Expect.Throws<ArgumentException>(() => Fill(block, 1, 1));
                }

                byte* large = (byte*)Alloc(9 << 20);
                Fill(large + (8 << 20), 1 << 20, 1);
                Expect.Throws<ArgumentException>(() => Fill(large + (8 << 20), (1 << 20) + 1, 1));
                Expect.Throws<ArgumentException>(() => Clear(Alloc(0), 1));
                Free(large);
            }

            [Fact]
            public void A_thread_holds_back_a_bounded_number_of_bytes()
            {
                foreach (nuint size in new nuint[] { 8, 4000, 32_000 })
                {
                    nuint[] blocks = Enumerable.Range(0, 3000).Select(_ => (nuint)Alloc(size)).ToArray();
                    Array.ForEach(blocks, block => Free((void*)block));
                    nuint held = Small->Caches.Current()->Quarantine.Bytes;
                    Expect.InRange(held, size, (nuint)Quarantine.MaxBytes);
                    AssertStatisticsAddUp();
                }
            }

            [Fact]
            public void What_a_dead_thread_held_back_serves_others()
            {
                void* pin = Alloc(16);
                nuint[] blocks = Enumerable.Range(0, 100).Select(_ => (nuint)Alloc(2000)).ToArray();
                Threads.Run(1, _ => Array.ForEach(blocks, block => Free((void*)block)));
                Trim();
                HeapStatistics s = GetStatistics();
                Expect.True((nuint)s.InUseBytes < 100
                    && (nuint)s.CachedBytes < 100, $"in use: {(nuint)s.InUseBytes}, cached: {(nuint)s.CachedBytes}");
                Free(pin);
            }

            [Fact]
            public void The_next_block_is_not_to_be_foreseen()
            {
                nuint first = (nuint)Alloc(100);
                nuint[] steps = Enumerable.Range(0, 500).Select(_ => (nuint)Alloc(100) - first).ToArray();
                int ascending = steps.Zip(steps.Skip(1)).Count(pair => pair.Second == pair.First + 112);
                Expect.True(ascending < 250, $"{ascending} of 499 blocks follow their predecessor");
            }

            [Fact]
            public void Statistics_add_up_with_blocks_of_all_kinds_live_and_freed()
            {
                void* pin = Alloc(8);
                nuint[] blocks = s_sizes.Select(size => (nuint)Alloc(size)).ToArray();
                AssertStatisticsAddUp(pin);
                Array.ForEach(blocks, block => Free((void*)block));
                AssertStatisticsAddUp(pin);
                Expect.Equal(0, GetStatistics().LargeBlocks);
                Trim();
                AssertStatisticsAddUp(pin);
                Destroy();
                Expect.Equal(BytesOfEmptyHeap, (nuint)GetStatistics().MappedBytes);
            }

            [Fact]
            public void An_unloaded_heap_leaves_nothing_mapped()
            {
                FreshCopy.Settle();
                int before = HeapMappings();
                FreshCopy.RunAndUnload(nameof(PluginWork.UseEverything));
                Expect.Equal(before, HeapMappings());
            }

            private static int HeapMappings() =>
                ProcessMaps.Read().Count(mapping => mapping.Path == "" && (ulong)mapping.Start is >= 1UL << 44 and < 6UL << 44);

            private static void AssertRefused(void* pointer)
            {
                HeapStatistics before = GetStatistics();
                Expect.Contains($"{HeapName}.Free ", Expect.Throws<ArgumentException>(() => Free(pointer)).Message);
                Expect.Contains($"{HeapName}.Realloc ", Expect.Throws<ArgumentException>(() => TryRealloc(pointer, 10)).Message);
                Expect.Contains($"{HeapName}.UsableSize ", Expect.Throws<ArgumentException>(() => UsableSize(pointer)).Message);
                Expect.Equal(before, GetStatistics());
            }
        }

        public static partial class Scenarios
        {
            public static void AlignFewBytes()
            {
                foreach (nuint size in new nuint[] { 0, 1, 16, 5000, 65_535, 65_536, 65_537, 4 << 20 })
                {
                    for (nuint alignment = 1; alignment <= 8 << 20; alignment *= 2)
                    {
                        void* block = AlignedAlloc(size, alignment);
                        Expect.True(((nuint)block & (alignment - 1)) == 0, $"size {size}, alignment {alignment}: 0x{(nuint)block:x}");
                        Expect.Equal(size, UsableSize(block));
                        Fill(block, size, 1);
                        AlignedFree(block);
                    }
                }
            }
        }
    }
}
