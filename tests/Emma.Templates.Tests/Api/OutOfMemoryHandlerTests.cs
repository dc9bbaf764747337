using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class OutOfMemoryHandlerTests : HeapTest
        {
            private const long Limit = 8 << 20;
            private const nuint TooMuch = 16 << 20;

            // Every way to ask for a block, of one size and one alignment; null where it finds none.
            private static readonly Dictionary<string, Func<nuint, nint>> s_ways = new()
            {
                ["Alloc"] = size => (nint)Alloc(size),
                ["Alloc, elements"] = size => (nint)Alloc(size, 1),
                ["Alloc<T>"] = size => (nint)Alloc<byte>(size),
                ["AllocSpan"] = size => (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref AllocSpan<byte>((int)size)[0]),
                ["AllocZeroed"] = size => (nint)AllocZeroed(size),
                ["AlignedAlloc"] = size => (nint)AlignedAlloc(size, 4096),
                ["Realloc of null"] = size => (nint)Realloc(null, size),
                ["AlignedRealloc of null"] = size => (nint)AlignedRealloc(null, size, 4096),
                ["Local.Alloc"] = size => (nint)Local.Alloc(size),
                ["Local.AllocZeroed"] = size => (nint)Local.AllocZeroed(size),
                ["TryAlloc"] = size => (nint)TryAlloc(size),
                ["TryAllocZeroed"] = size => (nint)TryAllocZeroed(size),
                ["TryAllocZeroed, elements"] = size => (nint)TryAllocZeroed(size, 1),
                ["TryAlignedAlloc"] = size => (nint)TryAlignedAlloc(size, 4096),
                ["TryRealloc of null"] = size => (nint)TryRealloc(null, size),
                ["TryAlignedRealloc of null"] = size => (nint)TryAlignedRealloc(null, size, 4096),
                ["Local.TryAlloc"] = size => (nint)Local.TryAlloc(size),
                ["Realloc"] = size => Resized(block => (nint)Realloc((void*)block, size)),
                ["AlignedRealloc"] = size => Resized(block => (nint)AlignedRealloc((void*)block, size, 4096)),
                ["TryRealloc"] = size => Resized(block => (nint)TryRealloc((void*)block, size)),
                ["TryAlignedRealloc"] = size => Resized(block => (nint)TryAlignedRealloc((void*)block, size, 4096)),
            };

            public OutOfMemoryHandlerTests() => MemoryLimit = Limit;

            public static TheoryData<string> Ways => [.. s_ways.Keys];

            [Theory]
            [MemberData(nameof(Ways))]
            public void Every_allocating_member_asks_and_tries_again_if_the_answer_is_yes(string way)
            {
                List<nuint> asked = [];
                using Handlers set = new Handlers(
                    wanted =>
                    {
                        Expect.False(Giving->IsHeld);
                        asked.Add(wanted);
                        MemoryLimit = asked.Count == 2 ? 64 << 20 : Limit;
                        return true;
                    });
                long failed = GetStatistics().FailedAllocations;
                nint block = s_ways[way](TooMuch);
                Expect.True(block != 0);
                Expect.Equal([TooMuch, TooMuch], asked);
                Expect.Equal(failed, GetStatistics().FailedAllocations);
                Free((void*)block);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void An_allocation_that_fails_is_counted_once_and_the_block_to_be_resized_is_as_it_was(string way)
            {
                int asked = 0;
                using Handlers set = new Handlers(_ => asked++ < 0);
                long failed = GetStatistics().FailedAllocations;
                long live = GetStatistics().LiveBlocks;
                if (way.Contains("Try"))
                    Expect.Equal(0, s_ways[way](TooMuch));
                else
                    Expect.Throws<OutOfMemoryException>(() => s_ways[way](TooMuch));
                Expect.Equal(1, asked);
                Expect.Equal(failed + 1, GetStatistics().FailedAllocations);
                Expect.Equal(live, GetStatistics().LiveBlocks);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void What_a_handler_throws_reaches_the_caller_and_nothing_is_lost(string way)
            {
                using Handlers set = new Handlers(_ => throw new InvalidTimeZoneException());
                long failed = GetStatistics().FailedAllocations;
                long live = GetStatistics().LiveBlocks;
                Expect.Throws<InvalidTimeZoneException>(() => s_ways[way](TooMuch));
                // It may be asked again: the thread is not taken to be still in it.
                Expect.Throws<InvalidTimeZoneException>(() => s_ways[way](TooMuch));
                Expect.Equal(failed + 2, GetStatistics().FailedAllocations);
                Expect.Equal(live, GetStatistics().LiveBlocks);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void A_small_block_asks_too_and_gets_what_the_handler_frees()
            {
                Stack<nint> blocks = [];
                for (nint block = (nint)TryAlloc(1000); block != 0; block = (nint)TryAlloc(1000))
                    blocks.Push(block);
                using Handlers set = new Handlers(
                    wanted =>
                    {
                        Expect.Equal((nuint)1000, wanted);
                        Free((void*)blocks.Pop());
                        Trim();
                        return true;
                    });
                for (int i = 0; i < 100; i++)
                    Expect.True(Alloc(1000) != null);
            }

            [Fact]
            public void The_owners_handler_is_asked_first_then_the_hosts()
            {
                List<string> asked = [];
                bool ownHelps = true;
                using Handlers set = new Handlers(
                    _ =>
                    {
                        asked.Add("own");
                        MemoryLimit = ownHelps ? 64 << 20 : Limit;
                        return ownHelps;
                    },
                    _ =>
                    {
                        asked.Add("host");
                        MemoryLimit = 64 << 20;
                        return true;
                    });
                Free(Alloc(TooMuch));
                Expect.Equal(["own"], asked);

                ownHelps = false;
                MemoryLimit = Limit;
                Trim();
                Free(Alloc(TooMuch));
                Expect.Equal(["own", "own", "host"], asked);
            }

            [Fact]
            public void The_hosts_place_is_taken_once_and_may_be_given_up()
            {
                using Handlers none = new Handlers(null);
                Func<nuint, bool> first = _ => false;
                Expect.True(HostEntry.TryWriteHandler(first));
                Expect.False(HostEntry.TryWriteHandler(_ => true));
                Expect.Same(first, HostEntry.ReadHandler());
                Expect.Null(OutOfMemoryHandler);
                Expect.True(HostEntry.TryWriteHandler(null));
                Expect.True(HostEntry.TryWriteHandler(first));
                OutOfMemoryHandler = first;
                Expect.Same(first, OutOfMemoryHandler);
                OutOfMemoryHandler = null;
                Expect.Same(first, HostEntry.ReadHandler());
            }

            [Fact]
            public void A_thread_is_not_asked_from_within_its_handler()
            {
                int asked = 0;
                using Handlers set = new Handlers(
                    wanted =>
                    {
                        asked++;
                        Expect.True(TryAlloc(wanted) == null);
                        Expect.Throws<OutOfMemoryException>(() => Alloc(wanted));
                        OutOfMemoryHandler = _ => throw new InvalidOperationException("asked from within");
                        Expect.True(TryAlloc(wanted) == null);
                        return false;
                    });
                Expect.True(TryAlloc(TooMuch) == null);
                Expect.Equal(1, asked);
            }

            [Fact]
            public void Any_number_of_threads_run_it_at_once()
            {
                const int threads = 100;
                using Barrier barrier = new Barrier(threads);
                int asked = 0;
                using Handlers set = new Handlers(
                    _ =>
                    {
                        // All are in it before one leaves.
                        barrier.SignalAndWait();
                        Interlocked.Increment(ref asked);
                        return false;
                    });
                Threads.Run(threads, _ => Expect.True(TryAlloc(TooMuch) == null));
                Expect.Equal(threads, asked);
                Threads.Run(threads, _ => Expect.True(TryAlloc(TooMuch) == null));
                Expect.Equal(2 * threads, asked);
            }

            [Fact]
            public void Nobody_is_asked_for_what_no_process_can_have()
            {
                using Handlers set = new Handlers(_ => throw new InvalidOperationException("asked"));
                Expect.True(TryAlloc(nuint.MaxValue) == null);
                Expect.True(TryAlloc(nuint.MaxValue / 2, 3) == null);
                Expect.True(TryAlignedAlloc(1, (nuint)1 << 62) == null);
                Expect.Throws<OutOfMemoryException>(() => Alloc(nuint.MaxValue));
            }

            [Fact]
            public void Destroy_keeps_handlers_and_the_count_of_failures()
            {
                Func<nuint, bool> handler = _ => false;
                using Handlers set = new Handlers(handler);
                Expect.True(TryAlloc(TooMuch) == null);
                long failed = GetStatistics().FailedAllocations;
                Destroy();
                Expect.Same(handler, OutOfMemoryHandler);
                Expect.Equal(failed, GetStatistics().FailedAllocations);
            }

            private static nint Resized(Func<nint, nint> resize)
            {
                byte* block = (byte*)Alloc(100);
                Fill(block, 100, 7);
                nint moved = 0;
                try
                {
                    return moved = resize((nint)block);
                }
                finally
                {
                    byte* contents = moved != 0 ? (byte*)moved : block;
                    for (int i = 0; i < 100; i++)
                        Expect.Equal(7, contents[i]);
                    if (moved == 0)
                        Free(block);
                }
            }

            // Handlers for as long as a test lasts; with the limit that was there before.
            private sealed class Handlers : IDisposable
            {
                public Handlers(Func<nuint, bool>? own, Func<nuint, bool>? host = null)
                {
                    OutOfMemoryHandler = own;
                    Expect.True(HostEntry.TryWriteHandler(host));
                }

                public void Dispose()
                {
                    OutOfMemoryHandler = null;
                    HostEntry.TryWriteHandler(null);
                    MemoryLimit = DeclaredLimit;
                }
            }
        }
    }
}
