using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What arenas of a heap with boundary checks promise besides.</summary>
        public sealed class CheckedArenaTests : HeapTest
        {
            [NotOnWindows("there no heap asks whose a block is.")]
            [Theory]
            [InlineData(300)]
            [InlineData(1000)]
            [InlineData(20_000)]
            public void Free_of_a_block_in_an_arena_of_any_chunks_is_refused_and_says_so(int chunkBytes) =>
                ArenaTests.AssertFreeIsRefused(chunkBytes);

            [Fact]
            public void What_was_given_up_is_poisoned()
            {
                using HeapArena arena = CreateArena();
                HeapArena.Checkpoint mark = arena.Mark();
                foreach (Action give in (Action[])[() => arena.Reset(), () => arena.Rewind(mark)])
                {
                    mark = arena.Mark();
                    Span<byte> small = arena.AllocSpan<byte>(100);
                    small.Fill(1);
                    give();
                    Expect.Equal(-1, small.IndexOfAnyExcept((byte)0xDD));
                }
            }

            [Fact]
            public void Two_threads_that_use_an_arena_at_once_are_refused()
            {
                using HeapArena arena = CreateArena();
                const int most = 100_000_000;
                int refused = 0;
                // Within one thread's Reset, which has much to fill, the other comes in.
                Threads.Run(2, thread =>
                {
                    for (int i = 0; Volatile.Read(ref refused) == 0 && i < most; i++)
                    {
                        try
                        {
                            arena.Alloc((nuint)(i % 100));
                            if (i % 1000 == 0)
                                arena.Reset();
                        }
                        catch (InvalidOperationException exception) when (exception.Message.Contains("two threads"))
                        {
                            Interlocked.Exchange(ref refused, 1);
                        }
                    }
                });
                Expect.Equal(1, refused);
                arena.Alloc(1);
            }
        }
    }
}
