using System.Numerics;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The slabs of one class as magazines see them, which take and give many blocks at once.</summary>
        public sealed class BatchTests : HeapTest
        {
            public BatchTests() => Prepare();

            public static TheoryData<int> AllClasses => new(Enumerable.Range(1, SizeClasses.Count));

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void A_slab_gives_its_lowest_free_blocks_however_many_at_a_time(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                using var memory = new FakeSegment();
                Slab* slab = Slab.Initialize(new PageRun(memory.Segment, 3, 0), sizeClass, (int)size, SizeClasses.PagesPerSlab(size));
                nuint start = Slab.AddressOf(slab);
                int capacity = slab->Capacity;
                SortedSet<int> free = [.. Enumerable.Range(0, capacity)];
                List<int> taken = [];
                ulong* blocks = stackalloc ulong[Slab.MaxCapacity + 1];
                Random random = new Random(sizeClass);
                for (int step = 0; step < 500; step++)
                {
                    // Sometimes all and more; else a few, so that words of the bitmap are left half used.
                    int wanted = random.Next(20) == 0 ? capacity + 1 : random.Next(1, Math.Max(2, capacity / 4));
                    int[] expected = free.Take(wanted).ToArray();
                    int count = (int)(Slab.TakeMany(slab, blocks, blocks + wanted) - blocks);
                    Expect.True(count == expected.Length, $"size {size}, step {step}: {count} blocks instead of {expected.Length}");
                    for (int i = 0; i < count; i++)
                        Expect.True(blocks[i] == start + (nuint)expected[i] * size, $"size {size}, step {step}, block {i}");
                    free.ExceptWith(expected);
                    taken.AddRange(expected);
                    Expect.Equal(free.Count, slab->FreeCount);

                    for (int i = random.Next(taken.Count + 1); i > 0; i--)
                    {
                        int at = random.Next(taken.Count);
                        Expect.True(Slab.TryGive(slab, taken[at]));
                        free.Add(taken[at]);
                        taken[at] = taken[^1];
                        taken.RemoveAt(taken.Count - 1);
                    }
                }
            }

            [Fact]
            public void The_lowest_block_of_a_batch_comes_last()
            {
                nuint[] first = Take(48, 10);
                nuint[] second = Take(48, 10);
                nuint start = Slab.AddressOf(Slab.Of(first[0]));
                for (int i = 0; i < 10; i++)
                {
                    Expect.Equal(start + (nuint)(9 - i) * 48, first[i]);
                    Expect.Equal(start + (nuint)(19 - i) * 48, second[i]);
                }
            }

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void A_batch_takes_what_slabs_have_and_makes_at_most_one(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                int capacity = (int)((nuint)SizeClasses.PagesPerSlab(size) * Segment.PageSize / size);
                Expect.Equal(capacity, Take(size, capacity + 1).Length);
                nuint[] more = Take(size, capacity - 1);
                Expect.Equal(capacity - 1, more.Length);
                // One block is left: it is taken, and no slab is made for the others.
                Expect.Single(Take(size, 2));
                Expect.Equal((nuint)(2 * capacity) * size, (nuint)GetStatistics().InUseBytes);
                Expect.Equal(2 * capacity, (int)Bin.Of(sizeClass)->Live);
                Expect.Equal(0, Slab.Of(more[0])->FreeCount);
                AssertStatisticsAddUp((void*)more[0]);
            }

            [Fact]
            public void A_batch_that_may_not_map_has_blocks_of_mapped_segments_or_none()
            {
                Expect.Empty(Take(64, 5, mayMap: false));
                Expect.Equal(BytesOfEmptyHeap, (nuint)GetStatistics().MappedBytes);

                void* run = Alloc(Segment.PageSize);
                nuint mapped = (nuint)GetStatistics().MappedBytes;
                Expect.Equal(5, Take(64, 5, mayMap: false).Length);
                while ((nuint)GetStatistics().FreeBytes >= Segment.PageSize)
                    Alloc(Segment.PageSize);
                Expect.Equal(Segment.PageSize / 64 - 5, (nuint)Take(64, 5000, mayMap: false).Length);
                Expect.Empty(Take(64, 1, mayMap: false));
                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
                AssertStatisticsAddUp(run);
            }

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void Batches_are_distinct_and_all_come_back_in_any_order(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                Random random = new Random(sizeClass);
                List<nuint> blocks = [];
                for (int i = 0; i < 30; i++)
                    blocks.AddRange(Take(size, random.Next(1, 120)));
                nuint[] sorted = [.. blocks.Order()];
                for (int i = 1; i < sorted.Length; i++)
                    Expect.True(sorted[i] - sorted[i - 1] >= size, $"size {size}: 0x{sorted[i - 1]:x} overlaps 0x{sorted[i]:x}");
                Expect.Equal((nuint)blocks.Count * size, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp((void*)sorted[0]);

                random.Shuffle(sorted);
                for (int i = 0; i < sorted.Length; i += 100)
                    Give(sorted[i..Math.Min(i + 100, sorted.Length)]);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Expect.True(GetStatistics().Segments <= Policy.MaxReserves);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void One_batch_that_empties_many_segments_has_them_unmapped_but_for_the_reserves()
            {
                List<nuint> blocks = [];
                while (blocks.Count < 8 * 4096)
                    blocks.AddRange(Take(1000, 64));
                Expect.True(GetStatistics().Segments >= 8);
                nuint[] shuffled = [.. blocks];
                new Random(1).Shuffle(shuffled);
                nuint mapped = (nuint)GetStatistics().MappedBytes;
                Give(shuffled);
                HeapStatistics s = GetStatistics();
                Expect.Equal(Policy.MaxReserves, s.Segments);
                Expect.Equal((nuint)0, (nuint)s.InUseBytes);
                Expect.True(mapped - (nuint)s.MappedBytes >= (nuint)(8 - Policy.MaxReserves) * Segment.Size);
                AssertStatisticsAddUp();
            }

            /// <summary>Or threads would write to cache lines side by side, and each take those that the other has fetched ahead.</summary>
            [Fact]
            public void Batches_for_two_homes_come_from_slabs_of_their_own()
            {
                HashSet<nint>[] slabs = [[], []];
                List<nuint> blocks = [];
                for (int i = 0; i < 200; i++)
                {
                    List<nuint> batch = [];
                    while (batch.Count < 100)
                        batch.AddRange(Take(1000, 100, home: i % 2));
                    slabs[i % 2].UnionWith(batch.Select(block => (nint)Slab.Of(block)));
                    blocks.AddRange(batch);

                    // Some come back to both, so that slabs leave their list and join it again.
                    nuint[] given = [.. blocks.Where((_, index) => index % 3 == 0)];
                    blocks = [.. blocks.Where((_, index) => index % 3 != 0)];
                    Give(given);
                }

                Expect.True(slabs[0].Count > 1 && slabs[1].Count > 1, $"{slabs[0].Count} and {slabs[1].Count} slabs");
                Expect.Equal(Policy.Homes == 1, slabs[0].Overlaps(slabs[1]));
                Give([.. blocks]);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void Before_a_segment_is_mapped_slabs_of_other_homes_change_hands()
            {
                nuint[] first = Take(1000, 40, home: 1);
                while (!Segments->AllocateRun(1, 1, mayMap: false).IsNone)
                {
                }

                Slab* slab = Slab.Of(first[0]);
                HeapStatistics before = GetStatistics();
                nuint[] second = Take(1000, 10, mayMap: false, home: 2);
                Expect.Equal(10, second.Length);
                Expect.All(second, block => Expect.Equal((nint)slab, (nint)Slab.Of(block)));
                Expect.Equal((nuint)before.MappedBytes, (nuint)GetStatistics().MappedBytes);

                // It stays there: its first home has none now, and nothing is left but to take it back.
                Expect.Equal((nint)slab, (nint)Slab.Of(Expect.Single(Take(1000, 1, mayMap: false, home: 2))));
                Give(first);
                Expect.Equal((nint)slab, (nint)Slab.Of(Expect.Single(Take(1000, 1, mayMap: false, home: 1))));
            }

            [Fact]
            public void Of_the_empty_slabs_of_all_homes_one_is_kept_until_Trim()
            {
                nuint[][] batches = [.. Enumerable.Range(0, 4).Select(home => Take(512, 50, home: home))];
                Segment* segment = Segment.Of(batches[0][0]);
                foreach (nuint[] batch in batches)
                    Give(batch);

                Expect.Equal(1, BitOperations.PopCount(segment->IdlePages));
                Expect.Equal(1, BitOperations.PopCount(Segment.AllPages & ~segment->FreePages));
                Trim();
                Expect.Equal(0, GetStatistics().Segments);
            }

            [Fact]
            public void Four_threads_that_take_and_give_batches_of_one_class_lose_none()
            {
                const int size = 512;
                Threads.Run(4, number =>
                {
                    Random random = new Random(number);
                    List<nuint> own = [];
                    for (int i = 0; i < 3_000; i++)
                    {
                        foreach (nuint block in Take(size, random.Next(1, 64), home: number))
                        {
                            *(long*)block = number;
                            own.Add(block);
                        }

                        while (own.Count > 200)
                        {
                            int count = random.Next(1, own.Count);
                            List<nuint> given = own.GetRange(0, count);
                            own.RemoveRange(0, count);
                            Expect.All(given, block => Expect.Equal(number, *(long*)block));
                            Give([.. given]);
                        }
                    }

                    Give([.. own]);
                });
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp();
            }

            private static nuint[] Take(nuint size, int count, bool mayMap = true, int home = 0)
            {
                ulong[] blocks = new ulong[count];
                fixed (ulong* first = blocks)
                    count = Bin.Of(SizeClasses.Of(size))->AllocateMany(first, count, home, mayMap);
                return Array.ConvertAll(blocks[..count], block => (nuint)block);
            }

            private static void Give(nuint[] blocks)
            {
                ulong[] copy = Array.ConvertAll(blocks, block => (ulong)block);
                fixed (ulong* first = copy)
                    Bin.Of(PageMap.ClassOf(blocks[0]))->FreeMany(first, copy.Length, givingIsHeld: false);
            }
        }
    }
}
