using System.Diagnostics;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class ReallocTests : HeapTest
        {
            private const nuint MiB = 1 << 20;

            private static readonly nuint[] s_borders =
            [
                0, 1, 15, 16, 17, 127, 128, 129, 1023, 1024, 1025, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537,
                2 * MiB - 1, 2 * MiB, 2 * MiB + 1, 4 * MiB - 65_536, 4 * MiB, 4 * MiB + 1, 9 * MiB,
            ];

            [Fact]
            public void Realloc_keeps_contents_across_every_border_both_ways()
            {
                ulong seed = 1;
                foreach (nuint from in s_borders)
                {
                    foreach (nuint to in s_borders)
                    {
                        void* block = Alloc(from);
                        Pattern.Write(block, from, ++seed);
                        block = Realloc(block, to);
                        Expect.True(UsableSize(block) >= to, $"{from} to {to}");
                        Expect.True(Pattern.FirstDifference(block, Math.Min(from, to), seed) < 0, $"{from} to {to}");
                        // Every byte is the caller's: writing them all must disturb nobody.
                        Fill(block, UsableSize(block), 0xAA);
                        Free(block);
                    }
                }

                AssertStatisticsAddUp();
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void A_large_block_that_one_thread_resizes_can_be_neither_freed_nor_resized_by_another()
            {
                void* block = Alloc(5 * MiB);
                Pattern.Write(block, 5 * MiB, 77);
                nuint length = Large->TryOwn((nuint)block);
                Expect.Equal(5 * MiB, length);

                Expect.Throws<ArgumentException>(() => Free(block));
                Expect.Throws<ArgumentException>(() => Realloc(block, 9 * MiB));
                Expect.Throws<ArgumentException>(() => Realloc(block, 100));
                Large->Disown((nuint)block, length);

                block = Realloc(block, 9 * MiB);
                Expect.True(Pattern.FirstDifference(block, 5 * MiB, 77) < 0);
                Free(block);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void A_copy_whose_original_another_thread_has_freed_meanwhile_is_not_leaked()
            {
                void* block = Alloc(5 * MiB);
                void* copy = Alloc(9 * MiB);
                Free(block);

                Expect.Throws<ArgumentException>(() => ReleaseCopied(block, copy));
                AssertStatisticsAddUp();
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void A_large_block_is_as_it_was_where_there_is_no_memory_to_resize_it()
            {
                Assumption.GivesRefusedAddressesBack();
                void* block = Alloc(5 * MiB);
                Pattern.Write(block, 5 * MiB, 78);

                Expect.True(TryRealloc(block, (nuint)1 << 46) == null);
                Expect.Equal(5 * MiB, UsableSize(block));
                Expect.True(Pattern.FirstDifference(block, 5 * MiB, 78) < 0);
                Free(block);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void AlignedRealloc_keeps_contents_and_gives_the_new_alignment()
            {
                ulong seed = 1000;
                foreach (nuint from in s_borders)
                {
                    for (int shift = 0; shift <= 30; shift += 3)
                    {
                        nuint alignment = (nuint)1 << shift;
                        nuint to = from + from / 3 + 5;
                        void* block = Alloc(from);
                        Pattern.Write(block, from, ++seed);
                        block = AlignedRealloc(block, to, alignment);
                        Expect.True((nuint)block % alignment == 0, $"{from} to {to} at {alignment}");
                        Expect.True(Pattern.FirstDifference(block, from, seed) < 0, $"{from} to {to} at {alignment}");
                        block = Realloc(block, from);
                        Expect.True(Pattern.FirstDifference(block, from, seed) < 0, $"{to} at {alignment} back to {from}");
                        Free(block);
                    }
                }
            }

            [Fact]
            public void Realloc_within_a_size_class_stays_in_place()
            {
                for (int sizeClass = 2; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    void* block = Alloc(SizeClasses.SizeOf(sizeClass - 1) + 1);
                    Expect.Equal((nuint)block, (nuint)Realloc(block, size));
                    Expect.Equal((nuint)block, (nuint)Realloc(block, SizeClasses.SizeOf(sizeClass - 1) + 1));
                    Free(block);
                }
            }

            [Fact]
            public void Realloc_of_a_run_grows_in_place_into_free_pages()
            {
                void* block = Alloc(2 * Segment.PageSize);
                Pattern.Write(block, 2 * Segment.PageSize, 3);
                Expect.Equal((nuint)block, (nuint)Realloc(block, 7 * Segment.PageSize));
                Expect.Equal(7 * Segment.PageSize, UsableSize(block));
                Expect.Equal(-1, Pattern.FirstDifference(block, 2 * Segment.PageSize, 3));
                Expect.True(Owns((byte*)block + 7 * Segment.PageSize - 1));
                AssertStatisticsAddUp(block);
                Free(block);
            }

            [Fact]
            public void Realloc_of_a_run_moves_when_the_pages_behind_it_are_taken()
            {
                void* block = Alloc(2 * Segment.PageSize);
                void* neighbour = Alloc(2 * Segment.PageSize);
                Pattern.Write(block, 2 * Segment.PageSize, 3);
                Pattern.Write(neighbour, 2 * Segment.PageSize, 4);
                void* moved = Realloc(block, 3 * Segment.PageSize);
                Expect.NotEqual((nuint)block, (nuint)moved);
                Expect.Equal(-1, Pattern.FirstDifference(moved, 2 * Segment.PageSize, 3));
                Expect.Equal(-1, Pattern.FirstDifference(neighbour, 2 * Segment.PageSize, 4));
                Free(moved);
                Free(neighbour);
            }

            [Fact]
            public void A_run_that_had_to_move_grows_in_place_from_then_on()
            {
                // Two runs that lie side by side, twice: what is freed is kept, so that there is never room behind the first.
                for (int round = 0; round < 2; round++)
                {
                    void* block = Alloc(Segment.PageSize);
                    void* behind = Alloc(Segment.PageSize);
                    Pattern.Write(block, Segment.PageSize, 5);
                    void* moved = Realloc(block, 2 * Segment.PageSize);
                    for (nuint pages = 4; pages <= 16; pages *= 2)
                        Expect.Equal((nuint)moved, (nuint)Realloc(moved, pages * Segment.PageSize));
                    Expect.Equal(-1, Pattern.FirstDifference(moved, Segment.PageSize, 5));
                    AssertStatisticsAddUp();
                    Free(moved);
                    Free(behind);
                }
            }

            [Fact]
            public void Realloc_of_a_run_shrinks_in_place_and_frees_the_pages_behind()
            {
                void* block = Alloc(20 * Segment.PageSize);
                Expect.Equal((nuint)block, (nuint)Realloc(block, 5 * Segment.PageSize));
                Expect.Equal(5 * Segment.PageSize, UsableSize(block));
                Expect.False(Owns((byte*)block + 5 * Segment.PageSize));
                void* next = Alloc(15 * Segment.PageSize);
                Expect.Equal((nuint)block + 5 * Segment.PageSize, (nuint)next);
                AssertStatisticsAddUp(block);
                Free(block);
                Free(next);
            }

            [AssumesLinux("pages that can be moved.")]
            [Theory]
            [InlineData(1000)]
            [InlineData(4096)]
            public void A_large_block_that_grows_in_small_steps_seldom_asks_the_kernel(int step)
            {
                byte* block = (byte*)Alloc(3 * MiB);
                int changes = 0;
                for (nuint size = 3 * MiB; size <= 24 * MiB; size += (nuint)step)
                {
                    nuint before = UsableSize(block);
                    block = (byte*)Realloc(block, size);
                    changes += UsableSize(block) == before ? 0 : 1;
                    block[size - 1] = 1;
                }

                // An eighth more each time: 1.125^18 is more than 8.
                Expect.True(changes <= 18, $"{changes} changes of the usable size");
                AssertStatisticsAddUp(block);
                Free(block);
            }

            [Fact]
            public void Realloc_of_a_large_block_grows_in_place_while_addresses_are_free()
            {
                void* block = Alloc(64 * MiB);
                Pattern.Write(block, MiB, 6);
                Expect.Equal((nuint)block, (nuint)Realloc(block, 128 * MiB));
                Expect.Equal(128 * MiB * 9 / 8, UsableSize(block));
                Expect.Equal(-1, Pattern.FirstDifference(block, MiB, 6));
                Expect.True(Owns((byte*)block + 128 * MiB - 1));
                AssertStatisticsAddUp(block);
                Free(block);
            }

            [Fact]
            public void Realloc_of_a_large_block_shrinks_in_place_and_unmaps_the_tail()
            {
                byte* block = (byte*)Alloc(64 * MiB);
                Expect.Equal((nuint)block, (nuint)Realloc(block, 10 * MiB));
                Expect.Equal(10 * MiB, UsableSize(block));
                Expect.True(ProcessMaps.IsMapped((nuint)block + 10 * MiB - 1));
                Expect.False(ProcessMaps.IsMapped((nuint)block + 10 * MiB));
                Expect.False(Owns(block + 10 * MiB));
                AssertStatisticsAddUp(block);
                Free(block);
            }

            [AssumesLinux("pages that can be moved.")]
            [Theory]
            [InlineData(false)]
            [InlineData(true)]
            public void Growing_64_MiB_to_128_MiB_copies_nothing(bool mustMove)
            {
                Assumption.RealKernel("an emulator's times say little, and it counts no page faults.");
                const nuint size = 64 * MiB;
                TimeSpan growing = TimeSpan.MaxValue, copying = TimeSpan.MaxValue;
                void* target = NativeMemory.Alloc(size);
                NativeMemory.Fill(target, size, 1);
                // The best of some rounds counts, because other programs run beside this one.
                for (int round = 0; round < 5; round++)
                {
                    Trim();
                    void* block = Alloc(size);
                    void* wall = mustMove ? Alloc(3 * MiB) : null;
                    Pattern.Write(block, size, 77);

                    long faults = ProcessMaps.MinorFaults();
                    long start = Stopwatch.GetTimestamp();
                    void* grown = Realloc(block, 2 * size);
                    growing = TimeSpan.FromTicks(Math.Min(growing.Ticks, Stopwatch.GetElapsedTime(start).Ticks));
                    faults = ProcessMaps.MinorFaults() - faults;

                    // The bound is a copy of the same bytes in the same run, into memory that is mapped and touched already.
                    start = Stopwatch.GetTimestamp();
                    NativeMemory.Copy(grown, target, size);
                    copying = TimeSpan.FromTicks(Math.Min(copying.Ticks, Stopwatch.GetElapsedTime(start).Ticks));

                    Expect.Equal(mustMove, block != grown);
                    Expect.Equal(-1, Pattern.FirstDifference(grown, size, 77));
                    Expect.True(faults < 1000, $"{faults} page faults: {size / 4096} would be a copy");
                    Expect.Equal(mustMove, !Owns(block));
                    AssertStatisticsAddUp(grown);
                    Free(grown);
                    Free(wall);
                }

                NativeMemory.Free(target);
                Expect.True(growing < copying / 2, $"growing took {growing.TotalMilliseconds} ms, copying {copying.TotalMilliseconds} ms");
            }

            [AssumesLinux("pages that can be moved.")]
            [Fact]
            public void A_moved_large_block_leaves_its_old_addresses_unmapped()
            {
                void* block = Alloc(8 * MiB);
                void* wall = Alloc(3 * MiB);
                void* moved = Realloc(block, 40 * MiB);
                Expect.NotEqual((nuint)block, (nuint)moved);
                Expect.False(ProcessMaps.IsMapped((nuint)block));
                Expect.Equal(2, GetStatistics().LargeBlocks);
                Expect.Throws<ArgumentException>(() => Free(block));
                Free(moved);
                Free(wall);
            }

            [Fact]
            public void Realloc_of_null_allocates_and_to_zero_gives_a_unique_block()
            {
                void* block = Realloc(null, 100);
                Expect.True(UsableSize(block) >= 100);
                void* empty = Realloc(block, 0);
                void* other = Realloc(null, 0);
                Expect.True(empty != null && other != null && empty != other);
                Free(empty);
                Free(other);
                void* aligned = AlignedRealloc(null, 100, 4096);
                Expect.Equal((nuint)0, (nuint)aligned % 4096);
                Free(aligned);
            }

            [Fact]
            public void A_failed_Realloc_leaves_the_block_as_it_was()
            {
                foreach (nuint size in new nuint[] { 100, 100_000, 5 * MiB })
                {
                    void* block = Alloc(size);
                    Pattern.Write(block, size, size);
                    string before = Figures();
                    Expect.Throws<OutOfMemoryException>(() => Realloc(block, nuint.MaxValue));
                    Expect.Throws<OutOfMemoryException>(() => AlignedRealloc(block, nuint.MaxValue - 4096, 64));
                    Expect.True(TryRealloc(block, nuint.MaxValue / 2) == null);
                    Expect.True(TryAlignedRealloc(block, nuint.MaxValue / 2, 1 << 20) == null);
                    Expect.Throws<ArgumentException>(() => AlignedRealloc(block, 10, 3));
                    Expect.Equal(before, Figures());
                    Expect.Equal(-1, Pattern.FirstDifference(block, size, size));
                    Free(block);
                }
            }
        }
    }
}
