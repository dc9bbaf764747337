using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class LargeBlockTests(ITestOutputHelper output) : HeapTest
        {
            private const nuint MiB = 1 << 20;

            [Fact]
            public void A_block_that_outgrows_huge_pages_is_resident_only_where_it_is_touched()
            {
                const nuint huge = 512 << 20;
                nuint fresh = ResidentWhenSparse(() => (nuint)AllocZeroed(huge));
                nuint moved = ResidentWhenSparse(() => (nuint)Realloc(AllocZeroed(4 << 20), huge));
                nuint fromCache = ResidentWhenSparse(() =>
                {
                    Free(AllocZeroed(LargeBlocks.MaxCachedBytes));
                    return (nuint)AllocZeroed(huge);
                });

                nuint most = fresh + LargeBlocks.MaxCachedBytes + (8 << 20);
                Expect.True(moved <= most && fromCache <= most, $"fresh {fresh}, moved {moved}, from the cache {fromCache} bytes resident");

                static nuint ResidentWhenSparse(Func<nuint> allocate)
                {
                    nuint block = allocate();
                    for (nuint offset = 0; offset < huge; offset += 2 << 20)
                        *(byte*)(block + offset) = 1;
                    nuint resident = (nuint)ResidentMemory.PagesIn(block, block + huge) * AddressSpace.SmallestPage;
                    Free((void*)block);
                    Trim();
                    return resident;
                }
            }

            [Fact]
            public void Blocks_above_half_a_segment_have_a_mapping_of_their_own()
            {
                void* run = Alloc(LargeBlocks.Threshold);
                Expect.Equal(0, GetStatistics().LargeBlocks);
                void* large = Alloc(LargeBlocks.Threshold + 1);
                Expect.Equal(1, GetStatistics().LargeBlocks);
                Expect.Equal(LargeBlocks.Threshold + Heap->KernelPage, UsableSize(large));
                Free(run);
                Free(large);
                Expect.Equal(0, GetStatistics().LargeBlocks);
            }

            [Fact]
            public void A_freed_mapping_is_reused_by_the_next_block_of_its_size()
            {
                void* block = Alloc(10 * MiB);
                Free(block);
                Expect.Equal(10 * MiB, (nuint)GetStatistics().CachedBytes);
                Expect.False(Owns(block));
                Expect.Equal((nuint)block, (nuint)Alloc(10 * MiB));
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                Free(block);
            }

            [Fact]
            public void A_cached_mapping_that_is_much_too_large_is_cut_and_its_rest_kept()
            {
                byte* block = (byte*)Alloc(40 * MiB);
                block[8 * MiB] = 1;
                Free(block);
                Expect.Equal((nuint)block, (nuint)Alloc(5 * MiB));
                Expect.Equal(5 * MiB, UsableSize(block));
                Expect.False(ProcessMaps.IsMapped((nuint)block + 5 * MiB));
                Expect.Equal(32 * MiB, (nuint)GetStatistics().CachedBytes);
                AssertStatisticsAddUp(block);

                byte* rest = (byte*)AllocZeroed(32 * MiB);
                Expect.Equal((nuint)(block + 8 * MiB), (nuint)rest);
                Expect.Equal(0, rest[0]);
                Free(block);
                Expect.Equal(32 * MiB, UsableSize(rest));
                AssertStatisticsAddUp(rest);
                Free(rest);
                Expect.Equal(37 * MiB, (nuint)GetStatistics().CachedBytes);
            }

            [Fact]
            public void A_rest_that_is_short_is_given_back()
            {
                byte* block = (byte*)Alloc(9 * MiB);
                Free(block);
                Expect.Equal((nuint)block, (nuint)Alloc(7 * MiB));
                Expect.Equal(7 * MiB, UsableSize(block));
                Expect.False(ProcessMaps.IsMapped((nuint)block + 7 * MiB));
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                AssertStatisticsAddUp(block);
            }

            [Theory]
            [InlineData(false)]
            [InlineData(true)]
            public void A_cached_mapping_that_is_too_short_grows(bool mustMove)
            {
                byte* block = (byte*)Alloc(10 * MiB);
                void* neighbour = mustMove ? Alloc(3 * MiB) : null;
                Pattern.Write(block, 10 * MiB, 1);
                Free(block);

                byte* longer = (byte*)AllocZeroed(30 * MiB);
                Expect.Equal(!mustMove, longer == block);
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                Expect.True(Pattern.IsZero(longer, 30 * MiB));
                Expect.Equal(mustMove, !ProcessMaps.IsMapped((nuint)block));
                AssertStatisticsAddUp(longer);
                Free(longer);
                Free(neighbour);
            }

            [Fact]
            public void A_cached_mapping_that_would_be_a_small_part_stays()
            {
                void* block = Alloc(3 * MiB);
                Free(block);
                void* longer = Alloc(40 * MiB);
                Expect.Equal(3 * MiB, (nuint)GetStatistics().CachedBytes);
                Free(longer);
            }

            [Fact]
            public void Random_replacements_keep_their_contents()
            {
                int seed = Random.Shared.Next();
                output.WriteLine($"seed {seed}");
                Random random = new Random(seed);
                nuint[] blocks = new nuint[10];
                nuint[] sizes = new nuint[blocks.Length];
                for (int i = 0; i < 600; i++)
                {
                    int at = random.Next(blocks.Length);
                    if (blocks[at] != 0)
                    {
                        Expect.Equal((ulong)at + 1, *(ulong*)blocks[at]);
                        Expect.Equal((ulong)sizes[at], *(ulong*)(blocks[at] + sizes[at] - sizeof(ulong)));
                        Free((void*)blocks[at]);
                    }

                    bool zeroed = random.Next(2) == 0;
                    sizes[at] = (nuint)random.NextInt64(3 << 20, 25 << 20) & ~(nuint)15;
                    blocks[at] = (nuint)(zeroed ? AllocZeroed(sizes[at]) : Alloc(sizes[at]));
                    if (zeroed)
                    {
                        for (nuint offset = 0; offset < sizes[at]; offset += 4096)
                            Expect.Equal(0UL, *(ulong*)(blocks[at] + offset));
                        Expect.Equal(0UL, *(ulong*)(blocks[at] + sizes[at] - sizeof(ulong)));
                    }

                    new Span<byte>((void*)blocks[at], (int)sizes[at]).Fill(0xEE);
                    *(ulong*)blocks[at] = (ulong)at + 1;
                    *(ulong*)(blocks[at] + sizes[at] - sizeof(ulong)) = sizes[at];
                }

                AssertStatisticsAddUp((void*)blocks.First(block => block != 0));
            }

            [Fact]
            public void The_smallest_cached_mapping_that_fits_and_is_aligned_is_taken()
            {
                void* large = Alloc(20 * MiB);
                void* fitting = Alloc(12 * MiB);
                void* small = Alloc(8 * MiB);
                Free(large);
                Free(small);
                Free(fitting);
                Expect.Equal((nuint)fitting, (nuint)Alloc(11 * MiB));
                void* aligned = AlignedAlloc(3 * MiB, 1 << 30);
                Expect.Equal((nuint)0, (nuint)aligned % (1 << 30));
            }

            [Fact]
            public void The_cache_never_keeps_more_than_its_bounds()
            {
                Random random = new Random(7);
                List<nuint> live = [];
                for (int i = 0; i < 400; i++)
                {
                    live.Add((nuint)Alloc((nuint)random.Next(2, 90) * MiB + 1));
                    if (live.Count > 20)
                    {
                        Free((void*)live[0]);
                        live.RemoveAt(0);
                    }

                    // Twice as much, because more than four times as much is live.
                    Expect.True((nuint)GetStatistics().CachedBytes <= 2 * LargeBlocks.MaxCachedBytes);
                }

                AssertStatisticsAddUp((void*)live[0]);
                live.ForEach(block => Free((void*)block));
                Expect.True((nuint)GetStatistics().CachedBytes <= LargeBlocks.MaxCachedBytes);
            }

            [Fact]
            public void The_cache_keeps_a_bounded_number_of_small_mappings()
            {
                nuint[] blocks = new nuint[40];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)AlignedAlloc(100, 8 * MiB);
                foreach (nuint block in blocks)
                    Free((void*)block);
                // One more is the mapping freed last.
                Expect.Equal(17 * Heap->KernelPage, (nuint)GetStatistics().CachedBytes);
                Expect.Equal(23, blocks.Count(block => !ProcessMaps.IsMapped(block)));
            }

            [Fact]
            public void Trim_empties_the_cache_and_says_how_much()
            {
                void* block = Alloc(10 * MiB);
                Free(block);
                Expect.True(Trim() >= 10 * MiB);
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                Expect.False(ProcessMaps.IsMapped((nuint)block));
            }

            [Fact]
            public void Freed_addresses_do_not_come_back_soon()
            {
                void* block = Alloc(100 * MiB);
                Free(block);
                Expect.False(ProcessMaps.IsMapped((nuint)block));
                for (int i = 0; i < 50; i++)
                {
                    void* other = Alloc(100 * MiB);
                    Expect.NotEqual((nuint)block, (nuint)other);
                    Free(other);
                }
            }

            [Fact]
            public void A_window_that_has_been_gone_through_once_is_used_again()
            {
                // 68 MiB at a time, unmapped at once: some 940 fill the window.
                void* pin = Alloc(1);
                Window* window = Space->Find((nuint)pin);
                for (int i = 0; i < 2200; i++)
                {
                    void* block = Alloc(68 * MiB);
                    Expect.True(Space->Find((nuint)block) == window);
                    Free(block);
                }

                Expect.True(window->Next == null);
                AssertStatisticsAddUp(pin);
            }

            [Fact]
            public void A_block_beyond_what_the_machine_has_is_refused_at_once_and_without_a_trace()
            {
                Assumption.GivesRefusedAddressesBack();
                void* pin = Alloc(1);
                Trim();
                string before = Figures();
                long resident = ProcessMaps.Resident();
                for (int shift = 36; shift < 64; shift++)
                {
                    void* block = TryAlloc(unchecked((nuint)(1UL << shift)) + 1);
                    // A machine that overcommits without bound grants some of these; then they are ordinary blocks.
                    Expect.True(block == null || UsableSize(block) >= unchecked((nuint)(1UL << shift)));
                    if (block != null)
                        return;
                    Expect.Equal(before, Figures());
                }

                Expect.True(ProcessMaps.Resident() - resident < 16 << 20);
                Free(pin);
            }

            [Fact]
            public void A_window_made_for_a_large_block_has_room_for_it()
            {
                void* pin = Alloc(1);
                ref AddressSpace space = ref *Space;
                nuint mapped = space.Mapped;
                nuint length = unchecked((nuint)(100UL << 30));
                Window* window = Window.Map(ref space, length, Segment.Size);
                Expect.True(window->Size >= length);
                Expect.Equal(mapped + window->MetadataLength, space.Mapped);
                nuint place = window->Claim(length / Window.SlotSize, 1, 0);
                Expect.True(place >= window->Base && place + length <= window->Base + window->Size);
                nuint metadata = window->MetadataLength;
                Expect.True(VirtualMemory.TryUnmap((nuint)window, metadata));
                space.UnchargeMetadata(metadata);
                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
                Free(pin);
            }

            [Fact]
            public void Windows_of_a_heap_never_overlap()
            {
                // A window has two such places and begins at one of 2048: among so many of them some would overlap if nobody saw to it.
                nuint alignment = unchecked((nuint)(32UL << 30));
                nuint[] blocks = new nuint[300];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)AlignedAlloc(4096, alignment);

                List<(nuint Start, nuint End)> windows = [];
                Window* first = Space->Find(blocks[0]);
                for (Window* window = first; window != null; window = window->Next)
                    windows.Add(((nuint)window, window->Base + window->Size));
                Expect.True(windows.Count >= blocks.Length / 2);
                windows.Sort();
                for (int i = 1; i < windows.Count; i++)
                    Expect.True(windows[i - 1].End <= windows[i].Start, $"windows at {windows[i - 1].Start:x} and {windows[i].Start:x}");

                AssertStatisticsAddUp();
                foreach (nuint block in blocks)
                    Free((void*)block);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void Blocks_beyond_one_window_lie_in_further_ones()
            {
                // Alignment 1 GiB uses up addresses quickly: a window has 64 such places.
                nuint[] blocks = new nuint[150];
                for (int i = 0; i < blocks.Length; i++)
                {
                    blocks[i] = (nuint)AlignedAlloc(5000, 1 << 30);
                    Pattern.Write((void*)blocks[i], 5000, (ulong)i);
                }

                AssertStatisticsAddUp((void*)blocks[0]);
                for (int i = 0; i < blocks.Length; i++)
                {
                    Expect.Equal(-1, Pattern.FirstDifference((void*)blocks[i], 5000, (ulong)i));
                    Expect.Equal(AlignUp(5000, Heap->KernelPage), UsableSize((void*)blocks[i]));
                    Free((void*)blocks[i]);
                }
            }

            [Fact]
            public void Addresses_behind_a_shrunk_block_may_be_anothers_at_once()
            {
                // Both threads go round the window many times, and so meet each other's free slots all the time.
                const nuint length = 68 * MiB;
                Threads.RunBeside(
                    () =>
                    {
                        void* block = Alloc(10 * length);
                        Expect.Equal((nuint)block, (nuint)Realloc(block, 3 * MiB));
                        Free(block);
                    },
                    () =>
                    {
                        for (int i = 0; i < 10_000; i++)
                        {
                            byte* block = (byte*)Alloc(length);
                            for (int look = 0; look < 20; look++)
                                Expect.True(Owns(block) && Owns(block + length / 2)
                                    && Owns(block + length - 1), $"round {i}: a live block has lost pages");
                            Free(block);
                        }
                    });
            }
        }
    }
}
