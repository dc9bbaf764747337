using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Memory that goes back while the program works, beside all else that may happen.</summary>
        public sealed class GivingBackTests : HeapTest
        {
            private const int Pages = SizeClasses.MaxCachedPages + 1;
            private const nuint Size = Pages * Segment.PageSize;
            private const int Slack = 3 * Segment.PageCount;

            private static readonly int s_seed = int.TryParse(Environment.GetEnvironmentVariable("EMMA_SEED"), out int seed) ? seed
                : Random.Shared.Next(1 << 20);

            public static TheoryData<int> Seeds => new(Enumerable.Range(s_seed, Length.Of(1, 8)));

            [Fact]
            public void Pages_that_were_discarded_long_ago_are_not_missed()
            {
                nuint[] runs = new nuint[600];
                nuint[] pins = new nuint[runs.Length];
                for (int burst = 0; burst < 3; burst++)
                {
                    for (int i = 0; i < runs.Length; i++)
                    {
                        runs[i] = (nuint)Alloc(Size);
                        if (burst == 0)
                            pins[i] = (nuint)Alloc(Segment.PageSize);
                    }

                    foreach (nuint run in runs)
                        Free((void*)run);
                    int dirty = DirtyFreePages();
                    Expect.True(dirty <= SegmentManager.LeastKept + Slack, $"burst {burst}: {dirty} dirty pages are free");
                    NextTurnOf(ref *Segments) = 0;
                }
            }

            [Fact]
            public void Blocks_that_are_cut_shorter_leave_few_dirty_pages()
            {
                nuint[] runs = new nuint[100];
                for (int i = 0; i < runs.Length; i++)
                    runs[i] = (nuint)Alloc(30 * Segment.PageSize);
                for (int i = 0; i < runs.Length; i++)
                    runs[i] = (nuint)Realloc((void*)runs[i], 5 * Segment.PageSize);
                int dirty = DirtyFreePages();
                Expect.True(dirty <= SegmentManager.LeastKept + Slack, $"{dirty} dirty pages are free");
            }

            [Theory]
            [MemberData(nameof(Seeds))]
            public void Where_nothing_may_be_kept_and_turns_end_all_the_time_every_byte_is_kept_beside_Trim_and_statistics(int seed)
            {
                Segments->LeastUseBytes = 0;
                Segments->LeastKeptPages = 0;
                int turns = 0;
                Threads.RunBeside(
                    () =>
                    {
                        CacheInternals.EndTurn();
                        turns++;
                        if (turns % 50 == 0)
                            Trim();
                        if (turns % 50 == 25)
                            GetStatistics();
                        Thread.Yield();
                    },
                    () =>
                    {
                        for (int round = 0; round < 5; round++)
                            RunModels(seed * 1000 + (round * 10), 4, 400);
                    });
                Trim();
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Equal(0, GetStatistics().InUseBytes);
            }

            /// <summary>As after a fork while another thread gave something back.</summary>
            [Fact]
            public void A_thread_that_died_while_it_gave_back_does_not_end_the_purge()
            {
                nuint[] runs = new nuint[300];
                nuint[] pins = new nuint[runs.Length];
                for (int i = 0; i < runs.Length; i++)
                {
                    runs[i] = (nuint)Alloc(Size);
                    pins[i] = (nuint)Alloc(Segment.PageSize);
                }

                Threads.Run(1, _ => Giving->Acquire());
                foreach (nuint run in runs)
                    Free((void*)run);
                NextTurnOf(ref *Segments) = 0;
                for (int i = 0; i < 500; i++)
                    Free(Alloc(Size));
                int dirty = DirtyFreePages();
                Expect.True(dirty <= SegmentManager.LeastKept + Slack, $"{dirty} dirty pages are free");
            }

            /// <summary>However often caches give way.</summary>
            [Fact]
            public void A_second_free_of_the_block_freed_last_is_refused()
            {
                Segments->LeastUseBytes = 0;
                Segments->LeastKeptPages = 0;
                nuint[] others = new nuint[60];
                nuint[] blocks = new nuint[300];
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    for (int count = 1; count < blocks.Length; count += 37)
                    {
                        for (int i = 0; i < count; i++)
                            blocks[i] = (nuint)Alloc(size);
                        for (int i = 0; i < others.Length; i++)
                            others[i] = (nuint)Alloc(size == 32768 ? 20_000u : 32_768u);
                        foreach (nuint block in blocks[..count])
                            Free((void*)block);
                        CacheInternals.EndTurn();
                        foreach (nuint block in others)
                            Free((void*)block);
                        nuint last = blocks[count - 1];
                        Expect.Throws<ArgumentException>(() => Free((void*)last));
                    }
                }
            }

            [Theory]
            [InlineData(0, 48)]
            [InlineData(int.MaxValue, 48)]
            public void Under_a_limit_nothing_fails_because_memory_is_just_going_back(int kept, int limit)
            {
                Segments->LeastUseBytes = kept;
                Segments->LeastKeptPages = kept == 0 ? 0 : 1 << 20;
                MemoryLimit = limit << 20;
                int failures = 0;
                try
                {
                    Threads.Run(4, number =>
                    {
                        Random random = new Random(number);
                        List<nuint> live = [];
                        for (int i = 0; i < 10_000; i++)
                        {
                            if (i % 50 == 0)
                                CacheInternals.EndTurn();
                            void* block = TryAlloc((nuint)(16 * Math.Pow(i % 1000 < 500 ? 2000 : 10000, random.NextDouble())));
                            if (block == null)
                                Interlocked.Increment(ref failures);
                            else
                                live.Add((nuint)block);
                            while (live.Count > 150)
                            {
                                int index = random.Next(live.Count);
                                Free((void*)live[index]);
                                live[index] = live[^1];
                                live.RemoveAt(live.Count - 1);
                            }
                        }

                        foreach (nuint block in live)
                            Free((void*)block);
                    });
                }
                finally
                {
                    MemoryLimit = 0;
                }

                Expect.True(failures == 0, $"{failures} allocations failed");
            }

            [System.Runtime.CompilerServices.UnsafeAccessor(System.Runtime.CompilerServices.UnsafeAccessorKind.Field, Name = "_nextTurn")]
            private static extern ref long NextTurnOf(ref SegmentManager segments);

            private static void RunModels(int seed, int threads, int steps)
            {
                System.Collections.Concurrent.ConcurrentQueue<ShadowBlock> exchange = new();
                Threads.Run(threads, number =>
                {
                    ShadowModel model = new ShadowModel(seed + number, 8 << 20, exchange);
                    model.Run(steps);
                    model.FreeAll();
                });
                while (exchange.TryDequeue(out ShadowBlock block))
                {
                    Expect.Equal(-1, Pattern.FirstDifference((void*)block.Address, block.Size, block.Seed));
                    Free((void*)block.Address);
                }
            }

            private static int DirtyFreePages() => SlotsOf(SlotKind.Segment)
                .Sum(segment => (int)ulong.PopCount(((Segment*)segment)->FreePages & ((Segment*)segment)->DirtyPages));
        }
    }
}
