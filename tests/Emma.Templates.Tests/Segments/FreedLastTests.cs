using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// What is freed last and lies in front of segments and mappings: one page run of each of a few lengths, and one mapping.
        /// </summary>
        public sealed class FreedLastTests : HeapTest
        {
            private const nuint MiB = 1 << 20;

            private static readonly nuint[] s_runs = [5 << 16, 6 << 16, 13 << 16, MiB, 2 * MiB];
            private static readonly nuint[] s_mappings = [2 * MiB + 1, 5 * MiB, 16 * MiB];

            /// <summary>Lengths that no thread keeps: page runs, and large blocks.</summary>
            public static TheoryData<nuint> Sizes =>
                new(s_mappings.Concat(Policy.MayKeepRuns ? s_runs : []));

            [Theory]
            [MemberData(nameof(Sizes))]
            public void It_is_the_next_block_of_its_length(nuint size)
            {
                void* block = Alloc(size);
                nuint length = UsableSize(block);
                void* other = Alloc(size);
                Free(block);
                HeapStatistics freed = GetStatistics();
                Expect.Equal(length, (nuint)freed.CachedBytes);
                Expect.Equal(length, (nuint)freed.InUseBytes);
                Expect.Equal(1, freed.LiveBlocks);
                Expect.False(Owns(block));
                AssertStatisticsAddUp(other);

                Expect.Equal((nuint)block, (nuint)Alloc(size));
                Expect.Equal(2, GetStatistics().LiveBlocks);
                Expect.Equal(length, UsableSize(block));
                AssertStatisticsAddUp(block);
                Free(block);
                Free(other);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Equal(0, GetStatistics().InUseBytes);
                Trim();
                Expect.Equal((nuint)GetStatistics().MappedBytes, (nuint)GetStatistics().HeaderBytes);
            }

            [Theory]
            [MemberData(nameof(Sizes))]
            public void It_is_cleared_where_zeros_are_asked_for(nuint size)
            {
                for (int i = 0; i < 3; i++)
                {
                    byte* block = (byte*)AllocZeroed(size);
                    Expect.Equal(-1, new Span<byte>(block, (int)size).IndexOfAnyExcept((byte)0));
                    Fill(block, size, 0xA5);
                    Free(block);
                }
            }

            [Theory]
            [MemberData(nameof(Sizes))]
            public void It_is_refused_like_any_free_block(nuint size)
            {
                void* block = Alloc(size);
                Free(block);
                string before = Figures();
                Expect.Throws<ArgumentException>(() => Free(block));
                Expect.Throws<ArgumentException>(() => Realloc(block, 2 * size));
                Expect.Throws<ArgumentException>(() => Realloc(block, 10));
                Expect.Throws<ArgumentException>(() => UsableSize(block));
                Expect.Equal(before, Figures());
                Expect.Equal((nuint)block, (nuint)Alloc(size));
                Free(block);
            }

            [Theory]
            [MemberData(nameof(Sizes))]
            public void Of_two_threads_that_free_it_one_is_refused(nuint size)
            {
                const int rounds = 300;
                int refused = 0;
                nuint[] blocks = new nuint[rounds];
                for (int i = 0; i < rounds; i += 3)
                {
                    for (int j = i; j < i + 3; j++)
                        blocks[j] = (nuint)Alloc(size);
                    using Barrier start = new(2);
                    int first = i;
                    Threads.Run(2, _ =>
                    {
                        for (int j = first; j < first + 3; j++)
                        {
                            start.SignalAndWait();
                            try
                            {
                                Free((void*)blocks[j]);
                            }
                            catch (ArgumentException)
                            {
                                Interlocked.Increment(ref refused);
                            }
                        }
                    });
                }

                Expect.Equal(rounds, refused);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void It_serves_no_alignment_that_it_does_not_have()
            {
                for (nuint alignment = 16; alignment <= 16 * MiB; alignment *= 2)
                {
                    foreach (nuint size in (nuint[])[6 << 16, 5 * MiB])
                    {
                        void* block = AlignedAlloc(size, alignment);
                        Expect.Equal((nuint)0, (nuint)block % alignment);
                        Free(block);
                    }
                }
            }

            [Fact]
            public void Pages_that_were_freed_last_are_used_before_more_are_mapped()
            {
                // All of a segment in runs of which each is of another slot, or nearly.
                List<nuint> blocks = [];
                nuint pages = 5;
                for (nuint taken = 0; taken + pages < Segment.PageCount; taken += pages, pages++)
                    blocks.Add((nuint)Alloc(pages * Segment.PageSize));
                long segments = GetStatistics().Segments;
                foreach (nuint block in blocks)
                    Free((void*)block);
                void* all = Alloc(LargeBlocks.Threshold);
                Expect.Equal(segments, GetStatistics().Segments);
                Free(all);
            }

            [Fact]
            public void A_limit_that_is_set_later_has_it_within_reach()
            {
                void* run = Alloc(MiB);
                void* mapping = Alloc(8 * MiB);
                Free(run);
                Free(mapping);
                long limit = MemoryLimit;
                try
                {
                    MemoryLimit = GetStatistics().MappedBytes;
                    void* large = TryAlloc(10 * MiB);
                    Expect.True(large != null);
                    Free(large);
                }
                finally
                {
                    MemoryLimit = limit;
                }
            }

            [Fact]
            public void Random_blocks_of_two_threads_and_of_few_lengths_keep_their_contents()
            {
                int seed = Random.Shared.Next(100_000);
                nuint[] shared = new nuint[8];
                Threads.Run(2, number =>
                {
                    Random random = new(seed + number);
                    for (int i = 0; i < 20_000; i++)
                    {
                        nuint size = (nuint)random.Next(5, 14) << 16;
                        if (random.Next(8) == 0)
                            size *= 4;
                        nuint* block = (nuint*)(random.Next(16) == 0 ? AllocZeroed(size) : Alloc(size));
                        block[0] = size;
                        block[1] = (nuint)block;
                        block[size / 8 - 1] = ~(nuint)block;
                        nuint other = Interlocked.Exchange(ref shared[random.Next(shared.Length)], (nuint)block);
                        if (other != 0)
                            CheckAndFree(other);
                        if (random.Next(500) == 0)
                            Trim();
                    }
                });
                foreach (nuint block in shared)
                {
                    if (block != 0)
                        CheckAndFree(block);
                }

                Expect.True(GetStatistics() is { LiveBlocks: 0, InUseBytes: 0 }, $"seed {seed}: {Figures()}");
                AssertStatisticsAddUp();

                void CheckAndFree(nuint address)
                {
                    nuint* block = (nuint*)address;
                    nuint size = block[0];
                    Expect.True(size < 64 * MiB && block[1] == address && block[size / 8 - 1] == ~address, $"seed {seed}");
                    Free(block);
                }
            }
        }
    }
}
