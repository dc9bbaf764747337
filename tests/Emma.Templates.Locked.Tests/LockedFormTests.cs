using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What only a heap without thread caches promises: what is freed is back in its slab at once, whoever freed it.</summary>
        public sealed class LockedFormTests : HeapTest
        {
            public static TheoryData<int> AllClasses => new(Enumerable.Range(1, SizeClasses.Count));

            [Fact]
            public void Nothing_is_kept_for_any_thread()
            {
                nuint pin = (nuint)Alloc(16);
                Threads.Run(2, number =>
                {
                    Random random = new Random(number);
                    Queue<nuint> live = [];
                    for (int i = 0; i < 20_000; i++)
                    {
                        live.Enqueue((nuint)Alloc((nuint)random.Next(40_000)));
                        if (live.Count > 50)
                            Free((void*)live.Dequeue());
                    }

                    foreach (nuint block in live)
                        Free((void*)block);
                });
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)16, (nuint)s.InUseBytes);
                Expect.Equal((nuint)0, (nuint)s.CachedBytes);
                Expect.Equal(0, s.ThreadCaches);
                Expect.Empty(SlotsOf(SlotKind.Magazines));
                AssertStatisticsAddUp((void*)pin);
            }

            [Fact]
            public void Blocks_freed_by_any_thread_are_allocated_again_the_lowest_first()
            {
                nuint[] blocks = Enumerable.Range(0, 100).Select(_ => (nuint)Alloc(48)).ToArray();
                Free((void*)blocks[70]);
                Threads.Run(1, _ => Free((void*)blocks[30]));
                Free((void*)blocks[50]);
                Expect.Equal(blocks[30], (nuint)Alloc(48));
                Threads.Run(1, _ => Expect.Equal(blocks[50], (nuint)Alloc(48)));
                Expect.Equal(blocks[70], (nuint)Alloc(48));
            }

            [Fact]
            public void Segments_emptied_of_small_blocks_are_unmapped_at_once_but_for_the_reserves()
            {
                nuint[] blocks = new nuint[8 * 4096];
                for (int i = 0; i < blocks.Length; i++)
                    blocks[i] = (nuint)Alloc(1000);
                Expect.True(GetStatistics().Segments >= 8);
                new Random(1).Shuffle(blocks);
                foreach (nuint block in blocks)
                    Free((void*)block);
                Expect.Equal(Policy.MaxReserves, GetStatistics().Segments);
                AssertStatisticsAddUp();
            }

            [Theory]
            [MemberData(nameof(AllClasses))]
            public void A_block_freed_twice_is_refused_the_second_time_while_its_slab_lives(int sizeClass)
            {
                nuint size = SizeClasses.SizeOf(sizeClass);
                void* pin = Alloc(size);
                void* block = Alloc(size);
                Pattern.Write(pin, size, 1);
                Free(block);
                HeapStatistics before = GetStatistics();
                Expect.Contains($"{HeapName}.Free ", Expect.Throws<ArgumentException>(() => Free(block)).Message);
                Threads.Run(1, _ => Expect.Throws<ArgumentException>(() => Free(block)));
                Expect.Equal(before, GetStatistics());
                Expect.Equal(-1, Pattern.FirstDifference(pin, size, 1));
                Expect.Equal((nuint)block, (nuint)Alloc(size));
                Free(block);
                Free(pin);
            }

            [Theory]
            [InlineData(64)]
            [InlineData(5000)]
            public void Of_two_threads_that_free_a_small_block_at_once_one_is_refused(int size) => DoubleFree.Race((nuint)size);

            [Fact]
            public void Local_is_the_heap_itself()
            {
                foreach (nuint size in new nuint[] { 0, 1, 1000, 1025, 32_768, 100_000, 3 << 20 })
                {
                    LocalHeap local = Local;
                    void* block = local.Alloc(size);
                    Expect.Equal(GoodSize(size), UsableSize(block));
                    Fill(block, size, 0xEE);
                    Free(block);
                    void* zeroed = local.AllocZeroed(size);
                    Expect.True(Pattern.IsZero(zeroed, size), $"size {size}");
                    local.Free(zeroed);
                    void* tried = local.TryAlloc(size);
                    Expect.True(Owns(tried), $"size {size}");
                    local.Free(tried);
                    local.Free(Alloc(size));
                }

                Expect.True(Local.TryAlloc(nuint.MaxValue) == null);
                Expect.Throws<OutOfMemoryException>(() => Local.Alloc(nuint.MaxValue));
                Expect.Throws<OutOfMemoryException>(() => Local.AllocZeroed(nuint.MaxValue));
                Expect.Throws<OutOfMemoryException>(() => Local.Alloc<long>(nuint.MaxValue / 4));
                Expect.Throws<ArgumentException>(() => Local.Free((void*)0x1234_5670));
                Local.Free(null);
                long* elements = Local.Alloc<long>(10);
                Expect.Equal((nuint)80, UsableSize(elements));
                Local.Free(elements);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }
        }
    }
}
