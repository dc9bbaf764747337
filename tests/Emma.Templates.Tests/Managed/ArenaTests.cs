using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Blocks that are freed all at once.</summary>
        public sealed class ArenaTests : HeapTest
        {
            [Fact]
            public void A_mark_of_before_Reset_is_refused()
            {
                using HeapArena arena = CreateArena();
                arena.Alloc(100);
                HeapArena.Checkpoint mark = arena.Mark();
                arena.Reset();
                byte* block = (byte*)arena.Alloc(400);
                Expect.Throws<ArgumentException>(() => arena.Rewind(mark));
                Expect.True((byte*)arena.Alloc(64) >= block + 400);
                HeapArena.Checkpoint later = arena.Mark();
                void* freed = arena.Alloc(32);
                arena.Rewind(later);
                Expect.Equal((nuint)freed, (nuint)arena.Alloc(32));
            }

            [Theory]
            [InlineData(false)]
            [InlineData(true)]
            public void A_handler_may_reset_or_dispose_the_arena_that_has_no_room(bool disposes)
            {
                using HeapArena arena = CreateArena();
                arena.Alloc(3 << 20);
                MemoryLimit = 8 << 20;
                OutOfMemoryHandler = _ =>
                {
                    OutOfMemoryHandler = null;
                    if (disposes)
                        arena.Dispose();
                    else
                        arena.Reset();
                    return true;
                };
                try
                {
                    if (disposes)
                        Expect.Throws<ObjectDisposedException>(() => (nuint)arena.Alloc(6 << 20));
                    else
                        new Span<byte>(arena.Alloc(6 << 20), 6 << 20).Fill(1);
                }
                finally
                {
                    OutOfMemoryHandler = null;
                    MemoryLimit = 0;
                }

                arena.Dispose();
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Equal(0, GetStatistics().LiveArenas);
            }

            [Theory]
            [InlineData(0, 1)]
            [InlineData(1000, 2)]
            [InlineData(65_536, 3)]
            [InlineData(5_000_000, 4)]
            public void Blocks_are_aligned_apart_and_keep_their_contents_until_they_are_given_up(int chunkBytes, int seed)
            {
                Random random = new Random(seed);
                using HeapArena arena = CreateArena((nuint)chunkBytes);
                for (int round = 0; round < 5; round++)
                {
                    List<(nuint Block, int Size)> blocks = [];
                    for (int i = 0; i < 2000; i++)
                    {
                        int size = random.Next(i % 100 == 0 ? 300_000 : 400);
                        nuint alignment = (nuint)1 << random.Next(i % 50 == 0 ? 16 : 7);
                        byte* block = (byte*)(i % 3 == 0 ? arena.Alloc((nuint)size, alignment) : arena.Alloc((nuint)size));
                        Expect.Equal((nuint)0, (nuint)block % (i % 3 == 0 ? Math.Max(alignment, 16) : 16));
                        new Span<byte>(block, size).Fill(unchecked((byte)i));
                        blocks.Add(((nuint)block, size));
                    }

                    for (int i = 0; i < blocks.Count; i++)
                        Expect.Equal(-1, new Span<byte>((void*)blocks[i].Block, blocks[i].Size).IndexOfAnyExcept(unchecked((byte)i)));
                    blocks.Sort();
                    for (int i = 1; i < blocks.Count; i++)
                        Expect.True(blocks[i - 1].Block + (nuint)Math.Max(blocks[i - 1].Size, 1) <= blocks[i].Block, $"seed {seed}, {i}");
                    arena.Reset();
                }

                arena.Dispose();
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void A_chunk_comes_with_the_first_block_and_further_ones_double_up_to_a_bound()
            {
                using HeapArena arena = CreateArena(64 << 10);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Equal(1, GetStatistics().LiveArenas);
                arena.Alloc(1);
                Expect.Equal(1, GetStatistics().LiveBlocks);
                for (int i = 0; i < 10 << 10; i++)
                    arena.Alloc(1000);
                // 64, 128, 256, 512 KiB and ten times 1 MiB, or one more.
                Expect.InRange(GetStatistics().LiveBlocks, 13, 14);
            }

            [Fact]
            public void Reset_keeps_the_chunks_and_gives_back_those_of_single_blocks()
            {
                using HeapArena arena = CreateArena();
                long first = 0;
                for (int round = 0; round < 10; round++)
                {
                    for (int i = 0; i < 1000; i++)
                        arena.Alloc(500);
                    arena.Alloc(3 << 20);
                    first = round == 0 ? GetStatistics().LiveBlocks : first;
                    Expect.Equal(first, GetStatistics().LiveBlocks);
                    arena.Reset();
                    Expect.Equal(first - 1, GetStatistics().LiveBlocks);
                }
            }

            [Fact]
            public void Rewind_gives_up_what_came_after_the_mark_and_nothing_before()
            {
                using HeapArena arena = CreateArena(1000);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                HeapArena.Checkpoint start = arena.Mark();
                byte* kept = (byte*)arena.Alloc(100);
                byte* keptAlone = (byte*)arena.Alloc(5000);
                *kept = 1;
                *keptAlone = 2;
                HeapArena.Checkpoint mark = arena.Mark();
                void* next = arena.Alloc(16);
                for (int round = 0; round < 3; round++)
                {
                    long before = GetStatistics().LiveBlocks;
                    for (int i = 0; i < 100; i++)
                        arena.Alloc((nuint)(i * 37));
                    HeapArena.Checkpoint inner = arena.Mark();
                    arena.Alloc(1 << 20);
                    arena.Rewind(inner);
                    arena.Rewind(mark);
                    Expect.True(next == arena.Alloc(16));
                    Expect.True(round == 0 || before == GetStatistics().LiveBlocks);
                    Expect.Equal(1, *kept);
                    Expect.Equal(2, *keptAlone);
                }

                arena.Rewind(start);
                Expect.True(kept == arena.Alloc(100));
            }

            [Fact]
            public void A_mark_that_was_given_up_or_is_another_arenas_is_refused()
            {
                using HeapArena arena = CreateArena();
                using HeapArena other = CreateArena();
                arena.Alloc(100);
                HeapArena.Checkpoint early = arena.Mark();
                arena.Alloc(100);
                HeapArena.Checkpoint late = arena.Mark();
                arena.Rewind(early);
                Expect.Throws<ArgumentException>(() => arena.Rewind(late));
                Expect.Throws<ArgumentException>(() => arena.Rewind(other.Mark()));
                Expect.Throws<ArgumentException>(() => arena.Rewind(default));
                arena.Reset();
                Expect.Throws<ArgumentException>(() => arena.Rewind(early));
            }

            [Fact]
            public void Elements_and_zeros_are_what_they_say_also_where_others_were()
            {
                using HeapArena arena = CreateArena();
                for (int round = 0; round < 3; round++)
                {
                    Expect.Equal(-1, arena.AllocZeroedSpan<long>(100).IndexOfAnyExcept(0L));
                    Expect.Equal(-1, new Span<byte>(arena.AllocZeroed(100), 100).IndexOfAnyExcept((byte)0));
                    Expect.Equal(0, *arena.AllocZeroed<long>());
                    arena.AllocSpan<int>(1000).Fill(-1);
                    *arena.Alloc<Guid>(3) = Guid.NewGuid();
                    arena.Reset();
                }

                Expect.Throws<ArgumentOutOfRangeException>(() => arena.AllocSpan<int>(-1).Length);
                Expect.Throws<ArgumentException>(() => arena.Alloc(1, 24));
            }

            [Theory]
            [InlineData(ulong.MaxValue)]
            [InlineData(ulong.MaxValue - 15)]
            [InlineData(1UL << 63)]
            [InlineData(1UL << 47)]
            public void A_size_that_no_heap_has_is_out_of_memory_and_changes_nothing(ulong size)
            {
                using HeapArena arena = CreateArena();
                void* before = arena.Alloc(16);
                Expect.Throws<OutOfMemoryException>(() => arena.Alloc((nuint)size));
                Expect.Throws<OutOfMemoryException>(() => arena.Alloc((nuint)size, 64));
                Expect.Throws<OutOfMemoryException>(() => arena.Alloc(1, (nuint)1 << 63));
                Expect.Throws<OutOfMemoryException>(() => (nint)arena.Alloc<long>((nuint)size));
                Expect.True((byte*)before + 16 == arena.Alloc(16));
                using HeapArena huge = CreateArena((nuint)size);
                huge.Alloc(100);
            }

            [Fact]
            public void At_a_limit_it_takes_what_is_left_in_smaller_pieces_and_goes_on_when_there_is_more()
            {
                MemoryLimit = 8 << 20;
                try
                {
                    using HeapArena arena = CreateArena();
                    long bytes = 0;
                    Expect.Throws<OutOfMemoryException>((Action)(() =>
                    {
                        for (; ; bytes += 10_000)
                            arena.Alloc(10_000);
                    }));
                    Expect.InRange(bytes, 5 << 20, 8 << 20);
                    arena.Reset();
                    arena.Alloc(10_000);
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void A_disposed_arena_is_refused_and_a_second_Dispose_does_nothing()
            {
                HeapArena arena = CreateArena();
                arena.Alloc(100);
                HeapArena.Checkpoint mark = arena.Mark();
                arena.Dispose();
                arena.Dispose();
                Expect.Equal(0, GetStatistics().LiveArenas);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Throws<ObjectDisposedException>(() => arena.Alloc(1));
                Expect.Throws<ObjectDisposedException>(() => arena.Alloc(0));
                Expect.Throws<ObjectDisposedException>(() => arena.Mark());
                Expect.Throws<ObjectDisposedException>(() => arena.Rewind(mark));
                Expect.Throws<ObjectDisposedException>(() => arena.Reset());
            }

            [Fact]
            public void An_arena_of_before_Destroy_is_refused_and_frees_nothing()
            {
                HeapArena arena = CreateArena();
                arena.Alloc(100);
                arena.Alloc(1 << 20);
                Destroy();
                Expect.Equal(0, GetStatistics().LiveArenas);
                void* next = Alloc(64 << 10);
                Expect.Throws<ObjectDisposedException>(() => arena.Alloc(1 << 20));
                Expect.Throws<ObjectDisposedException>(() => arena.Reset());
                arena.Dispose();
                Expect.Equal(1, GetStatistics().LiveBlocks);
                Expect.Equal(0, GetStatistics().LiveArenas);
                Free(next);
            }

            [NotOnWindows("there no heap asks whose a block is.")]
            [Theory]
            [InlineData(65_536)]
            [InlineData(500_000)]
            [InlineData(9_000_000)]
            public void Free_of_a_block_in_an_arena_is_refused_and_says_so(int chunkBytes) => AssertFreeIsRefused(chunkBytes);

            [Fact]
            public void A_pointer_into_a_block_that_is_no_arenas_is_refused_as_that()
            {
                CreateArena().Dispose();
                byte* block = (byte*)Alloc(200_000);
                Expect.DoesNotContain("arena", Expect.Throws<ArgumentException>(() => Free(block + 64)).Message);
                Free(block);
            }

            [Fact]
            public void A_scoped_arena_uses_up_its_buffer_first_and_then_the_heap()
            {
                Span<byte> buffer = stackalloc byte[1000];
                using (HeapScopedArena arena = ScopedArena(buffer))
                {
                    arena.AllocSpan<int>(100).Fill(1);
                    Span<byte> second = arena.AllocSpan<byte>(77);
                    second.Fill(2);
                    Expect.Equal(0, GetStatistics().LiveArenas);
                    Expect.True(buffer.Overlaps(second));
                    fixed (byte* address = second)
                        Expect.Equal((nuint)0, (nuint)address % 16);
                    Span<long> behind = arena.AllocZeroedSpan<long>(1000);
                    behind.Fill(3);
                    Expect.Equal(1, GetStatistics().LiveArenas);
                    Expect.False(buffer.Overlaps(MemoryMarshal.AsBytes(behind)));
                    Span<byte> third = arena.AllocZeroedSpan<byte>(1);
                    Expect.True(buffer.Overlaps(third));
                    Expect.Equal(-1, second.IndexOfAnyExcept((byte)2));
                }

                Expect.Equal(0, GetStatistics().LiveArenas);
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Theory]
            [InlineData(0)]
            [InlineData(1)]
            [InlineData(15)]
            [InlineData(17)]
            public void A_scoped_arena_over_a_buffer_of_any_length_gives_out_blocks_apart(int length)
            {
                byte[] buffer = new byte[length + 5];
                using HeapScopedArena arena = ScopedArena(buffer.AsSpan(5));
                for (int i = 0; i < 10; i++)
                {
                    Span<byte> block = arena.AllocSpan<byte>(i);
                    block.Clear();
                    Span<byte> other = arena.AllocSpan<byte>(3);
                    other.Fill(1);
                    Expect.Equal(-1, block.IndexOfAnyExcept((byte)0));
                }

                Expect.Equal(buffer[..5], new byte[5]);
            }

            // Blocks of an arena are none of the heap's to whoever asks it.
            internal static void AssertFreeIsRefused(int chunkBytes)
            {
                using HeapArena arena = CreateArena((nuint)chunkBytes);
                for (int used = 0; used < chunkBytes / 2; used += Math.Max(chunkBytes / 20, 16))
                {
                    void* block = arena.Alloc((nuint)Math.Max(chunkBytes / 20, 16));
                    string message = Expect.Throws<ArgumentException>(() => Free(block)).Message;
                    Expect.StartsWith($"{HeapName}.Free ", message);
                    Expect.Contains("in an arena", message);
                    Expect.Contains("in an arena", Expect.Throws<ArgumentException>(() => UsableSize(block)).Message);
                }

                byte* alone = (byte*)arena.Alloc((nuint)chunkBytes * 2);
                Expect.Contains("in an arena", Expect.Throws<ArgumentException>(() => Free(alone)).Message);
                arena.Reset();
                arena.Alloc(100);
            }
        }
    }
}
