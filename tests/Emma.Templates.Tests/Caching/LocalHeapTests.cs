using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The heap as one thread uses it means what the heap means.</summary>
        public sealed partial class LocalHeapTests : HeapTest
        {
            // Both sides of every size class, of the table's end, and of the smallest runs.
            private static readonly nuint[] s_sizes = Enumerable.Range(1, SizeClasses.Count)
                .SelectMany(sizeClass => new[] { SizeClasses.SizeOf(sizeClass) - 1, SizeClasses.SizeOf(sizeClass), SizeClasses
                    .SizeOf(sizeClass) + 1 })
                .Concat(new nuint[] { 0, 1, 40_000, 65_536, 70_000, 2 << 20, 3 << 20 })
                .Distinct()
                .ToArray();

            [Fact]
            public void Blocks_of_every_size_are_what_the_heap_itself_gives()
            {
                LocalHeap local = Local;
                foreach (nuint size in s_sizes)
                {
                    void*[] blocks = [local.Alloc(size), local.TryAlloc(size), local.AllocZeroed(size), local.Alloc<byte>(size),
                        Alloc(size)];
                    List<ShadowBlock> stamped = [];
                    Expect.True(Pattern.IsZero(blocks[2], size), $"AllocZeroed({size})");
                    foreach (void* block in blocks)
                    {
                        Expect.True(block != null && Owns(block), $"size {size}");
                        Expect.Equal(UsableSize(blocks[^1]), UsableSize(block));
                        stamped.Add(Stamp.Write(block, size));
                    }

                    for (int i = 0; i < blocks.Length; i++)
                    {
                        Stamp.Check(stamped[i]);
                        if (i % 2 == 0)
                            Free(blocks[i]);
                        else
                            local.Free(blocks[i]);
                    }
                }

                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void A_block_freed_through_either_is_the_next_that_either_allocates()
            {
                LocalHeap local = Local;
                foreach (nuint size in s_sizes.Where(size => size <= SizeClasses.MaxSize))
                {
                    void* block = local.Alloc(size);
                    Free(block);
                    Expect.Equal((nuint)block, (nuint)local.Alloc(size));
                    local.Free(block);
                    Expect.Equal((nuint)block, (nuint)Alloc(size));
                    local.Free(block);
                }
            }

            [Fact]
            public void AllocZeroed_clears_blocks_that_were_used_before()
            {
                LocalHeap local = Local;
                foreach (nuint size in s_sizes)
                {
                    void*[] blocks = [local.Alloc(size), Alloc(size), local.Alloc(size)];
                    foreach (void* block in blocks)
                    {
                        new Span<byte>(block, (int)UsableSize(block)).Fill(0xEE);
                        local.Free(block);
                    }

                    for (int i = 0; i < blocks.Length; i++)
                        Expect.True(Pattern.IsZero(blocks[i] = local.AllocZeroed(size), size), $"AllocZeroed({size})");
                    foreach (void* block in blocks)
                        local.Free(block);
                }
            }

            [Fact]
            public void Elements_of_a_type_have_their_product_and_an_overflow_is_out_of_memory()
            {
                LocalHeap local = Local;
                long* numbers = local.Alloc<long>(100);
                Expect.Equal(GoodSize(800), UsableSize(numbers));
                Guid* one = local.Alloc<Guid>();
                Expect.Equal((nuint)16, UsableSize(one));
                local.Free(numbers);
                local.Free(one);
                Expect.True(Throws<OutOfMemoryException>(heap => heap.Alloc<long>(nuint.MaxValue / 4)));
            }

            [Fact]
            public void What_there_is_no_room_for_is_null_or_an_exception_and_changes_nothing()
            {
                LocalHeap local = Local;
                void* pin = local.Alloc(1);
                string before = Figures();
                Expect.True(local.TryAlloc(nuint.MaxValue) == null);
                Expect.True(Throws<OutOfMemoryException>(heap => heap.Alloc(nuint.MaxValue)));
                Expect.True(Throws<OutOfMemoryException>(heap => heap.AllocZeroed(nuint.MaxValue - 4096)));
                Expect.Equal(before, Figures());
                local.Free(pin);
            }

            [Fact]
            public void Aligned_blocks_runs_and_large_ones_may_be_freed_here()
            {
                LocalHeap local = Local;
                for (nuint alignment = 1; alignment <= 16 << 20; alignment *= 2)
                {
                    foreach (nuint size in new nuint[] { 0, 1, 100, 5_000, 40_000, 3 << 20 })
                    {
                        void* block = AlignedAlloc(size, alignment);
                        Expect.Equal((nuint)0, (nuint)block % alignment);
                        local.Free(block);
                    }
                }

                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void Blocks_beyond_the_first_window_may_be_freed_here()
            {
                LocalHeap local = Local;
                List<nuint> blocks = [];
                for (int i = 0; i < 70; i++)
                    blocks.Add((nuint)AlignedAlloc(4096, 1 << 30));
                Expect.Contains(blocks, block => Space->Find(block)->Next == null && Space->Find(blocks[0])->Next != null);
                foreach (nuint block in blocks)
                    local.Free((void*)block);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void Freeing_null_does_nothing()
            {
                LocalHeap local = Local;
                local.Free(null);
                void* pin = local.Alloc(16);
                HeapStatistics before = GetStatistics();
                for (int i = 0; i < 1000; i++)
                    local.Free(null);
                Expect.Equal(before, GetStatistics());
                local.Free(pin);
            }

            [Fact]
            public void Pointers_of_others_are_refused_and_nothing_is_changed()
            {
                LocalHeap local = Local;
                void* pin = local.Alloc(16);
                int onStack = 0;
                void* foreign = NativeMemory.Alloc(100);
                nuint window = (nuint)Space->Find((nuint)pin);
                nuint[] wild =
                [
                    1, 16, 4096, (nuint)(&onStack), (nuint)foreign, nuint.MaxValue, nuint.MaxValue - 15, window, (nuint)Segment
                        .Of((nuint)pin),
                    (nuint)pin + Segment.Size * 3, (nuint)Heap, (nuint)CacheInternals.Own, (nuint)1 << 47, (nuint)1 << 63,
                ];
                HeapStatistics before = GetStatistics();
                foreach (nuint pointer in wild)
                {
                    Expect.True(Throws<ArgumentException>(heap => heap.Free((void*)pointer)), $"0x{pointer:x}");
                    Expect.Equal(before, GetStatistics());
                }

                NativeMemory.Free(foreign);
                local.Free(pin);
            }

            [Fact]
            public void It_works_on_after_Destroy_and_shares_the_new_heap()
            {
                LocalHeap local = Local;
                for (int round = 0; round < 20; round++)
                {
                    foreach (nuint size in s_sizes)
                        Stamp.Write(local.Alloc(size), size);
                    Destroy();
                    Expect.Equal(BytesOfEmptyHeap, (nuint)GetStatistics().MappedBytes);
                    ShadowBlock block = Stamp.Write(local.Alloc(50), 50);
                    Stamp.CheckAndFree(block);
                    Expect.Equal(block.Address, (nuint)local.Alloc(50));
                    local.Free((void*)block.Address);
                    Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                    AssertStatisticsAddUp();
                }
            }

            [Fact]
            public void It_is_the_first_use_of_a_heap_that_is_empty()
            {
                Crew.RunOne(() =>
                {
                    LocalHeap local = Local;
                    local.Free(null);
                    void* block = local.Alloc(64);
                    Expect.Equal((nuint)64, (nuint)GetStatistics().InUseBytes);
                    Free(block);
                });
            }

            [Fact]
            public void Blocks_of_one_threads_may_be_freed_by_another()
            {
                ShadowBlock[] blocks = new ShadowBlock[2000];
                for (int round = 0; round < 10; round++)
                {
                    Crew.RunOne(() =>
                    {
                        LocalHeap local = Local;
                        for (int i = 0; i < blocks.Length; i++)
                            blocks[i] = Stamp.Write(local.Alloc((nuint)i), (nuint)i);
                    });
                    Crew.RunOne(() =>
                    {
                        LocalHeap local = Local;
                        foreach (ShadowBlock block in blocks)
                        {
                            Stamp.Check(block);
                            local.Free((void*)block.Address);
                        }
                    });
                }

                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void A_thread_that_cannot_have_a_cache_is_served_too()
            {
                // As Local gives it where there is no memory for a cache.
                LocalHeap local = new LocalHeap(SmallBlocks.NoCache);
                local.Free(null);
                foreach (nuint size in s_sizes)
                {
                    ShadowBlock first = Stamp.Write(local.Alloc(size), size);
                    ShadowBlock second = Stamp.Write(local.TryAlloc(size), size);
                    void* third = local.AllocZeroed(size);
                    Expect.True(Pattern.IsZero(third, size));
                    Stamp.Check(first);
                    Stamp.Check(second);
                    local.Free((void*)first.Address);
                    local.Free((void*)second.Address);
                    local.Free(third);
                }

                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Expect.Equal((nuint)0, CacheInternals.BytesIn(SmallBlocks.NoCache));
            }

            private delegate void Use(LocalHeap heap);

            // Whether a use of the heap throws an exception of a type. A lambda must not capture a ref struct.
            private static bool Throws<T>(Use use)
                where T : Exception
            {
                try
                {
                    use(Local);
                    return false;
                }
                catch (T)
                {
                    return true;
                }
            }
        }
    }
}
