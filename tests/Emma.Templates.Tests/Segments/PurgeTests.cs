using System.Runtime.CompilerServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Free pages go back to the kernel while the program works: its own frees see to it.</summary>
        public sealed class PurgeTests : HeapTest
        {
            // Runs that no thread keeps, so that a free reaches the segments.
            private const int Pages = SizeClasses.MaxCachedPages + 1;
            private const nuint Size = Pages * Segment.PageSize;

            private const int NoMemory = -12;

            // What one free discards at most, and what is freed until the hand has come by twice.
            private const int Slack = 3 * Segment.PageCount;

            private static readonly int s_seed = int.TryParse(Environment.GetEnvironmentVariable("EMMA_SEED"), out int seed) ? seed
                : Random.Shared.Next(1 << 20);

            public static TheoryData<int> Seeds => new(Enumerable.Range(s_seed, Length.Of(2, 20)));

            [Fact]
            public void While_traffic_goes_on_a_heap_that_has_shrunk_gives_its_free_pages_back()
            {
                Random random = new Random(s_seed);
                List<ShadowBlock> live = [];
                for (int i = 0; i < 300; i++)
                    live.Add(Touch(Size + (nuint)random.Next(Pages) * Segment.PageSize));
                int grown = ResidentPages();
                while (live.Count > 30)
                    FreeAny(live, random);
                for (int i = 0; i < 300; i++)
                {
                    FreeAny(live, random);
                    live.Add(Touch(Size + (nuint)random.Next(Pages) * Segment.PageSize));
                }

                int taken = live.Sum(block => Segment.PagesFor(block.Size));
                // A few more where some were missed.
                int most = SegmentManager.LeastKept + 2 * Slack;
                Expect.True(DirtyFreePages() <= most, $"seed {s_seed}: {DirtyFreePages()} dirty pages are free, {taken} in use");
                int resident = ResidentPages();
                int limit = (taken + most) * (int)(Segment.PageSize / AddressSpace.SmallestPage);
                Expect.True(resident < limit, $"seed {s_seed}: {resident} of {grown} pages of the kernel's are resident, not {limit}");
                live.ForEach(block => CheckEnds(block));
                AssertStatisticsAddUp((void*)live[0].Address);
            }

            [Fact]
            public void When_all_is_freed_and_nobody_calls_any_more_few_dirty_pages_are_left()
            {
                nuint[] runs = new nuint[300];
                nuint[] pins = new nuint[runs.Length];
                for (int i = 0; i < runs.Length; i++)
                {
                    runs[i] = (nuint)Alloc(Size);
                    pins[i] = (nuint)Alloc(Segment.PageSize);
                }

                foreach (nuint run in runs)
                    Free((void*)run);
                Expect.True(DirtyFreePages() <= SegmentManager.LeastKept + Slack, $"{DirtyFreePages()} dirty pages are free");
                AssertStatisticsAddUp((void*)pins[0]);
            }

            [Fact]
            [AssumesLinux("its calls are watched.")]
            public void Pages_that_are_no_more_than_may_stay_are_not_discarded()
            {
                void* pin = Alloc(1000);
                void*[] runs = new void*[SegmentManager.LeastKept / Pages];
                long discards = CountDiscards(() =>
                {
                    for (int round = 0; round < 5; round++)
                    {
                        for (int i = 0; i < runs.Length; i++)
                            runs[i] = Alloc(Size);
                        for (int i = 0; i < runs.Length; i++)
                            Free(runs[i]);
                    }
                });
                Expect.Equal(0, discards);
                Free(pin);
            }

            [Fact]
            [AssumesLinux("its calls are watched.")]
            public void Pages_that_come_and_go_stay_and_those_that_nobody_wants_go()
            {
                void* pin = Alloc(Size);
                void* cold = Alloc(2 * Size);
                Segments->LeastKeptPages = 0;
                UsePairs();
                Expect.Equal(0, CountDiscards(UsePairs));

                // Those that the pair had may have aged before the others.
                long discards = CountDiscards(() =>
                {
                    FreeToSegment(cold);
                    UsePairs();
                });
                Expect.InRange(discards, 1, 2);
                // The pair has the first of the dirty pages that are free, the rest of which went.
                Expect.Equal(Pages, DirtyFreePages());
                Free(pin);
            }

            [Fact]
            [AssumesLinux("its calls are watched.")]
            public void Pages_that_are_missed_soon_after_they_were_discarded_stay_the_next_time()
            {
                const int rounds = 20;
                void* pin = Alloc(Size);
                Segments->LeastKeptPages = 0;
                void*[] runs = new void*[50];
                long[] discards = new long[rounds];
                for (int round = 0; round < rounds; round++)
                {
                    discards[round] = CountDiscards(() =>
                    {
                        for (int i = 0; i < runs.Length; i++)
                            runs[i] = Alloc(Size);
                        for (int i = 0; i < runs.Length; i++)
                            Free(runs[i]);
                    });
                }

                // Some more as time passes.
                Expect.True(discards[..5].Sum() > discards[^5..].Sum(), $"discards: {string.Join(' ', discards)}");
                Free(pin);
            }

            [Fact]
            [AssumesLinux("its calls are watched.")]
            public void While_the_kernel_refuses_to_discard_nothing_changes_and_afterwards_everything_goes()
            {
                Segments->LeastKeptPages = 0;
                int asked = 0;
                ShadowModel model = new ShadowModel(s_seed, 24 << 20);
                using (new KernelWatch(call => IsDiscard(call) && Interlocked.Increment(ref asked) != 0 ? NoMemory : null))
                {
                    for (int round = 0; round < 5; round++)
                    {
                        model.Run(300);
                        AssertStatisticsAddUp(model.AnyBlock);
                        Expect.Equal(model.UsableBytes, (nuint)GetStatistics().InUseBytes);
                    }
                }

                int refused = DirtyFreePages();
                Expect.True(asked > 0 && refused > 0, $"seed {s_seed}: asked {asked} times, {refused} pages are dirty");
                UsePairs();
                int taken = TakenPages();
                int spare = SparePagesOf(ref *Segments);
                // Pairs miss some of the pages that they have discarded.
                Expect.True(spare < refused / 4, $"seed {s_seed}: {spare} of {refused} pages were missed");
                int most = taken / 8 + Pages + spare;
                Expect.True(
                    DirtyFreePages() <= most,
                    $"seed {s_seed}: {DirtyFreePages()} of {refused} pages are dirty, {taken} in use, {spare} to spare");
                model.CheckAll();
                model.FreeAll();
                AssertStatisticsAddUp();
            }

            [Theory]
            [MemberData(nameof(Seeds))]
            public void Random_use_keeps_every_byte_of_every_block_however_few_pages_may_stay(int seed)
            {
                Segments->LeastKeptPages = seed % 3;
                ShadowModel model = new ShadowModel(seed, 24 << 20);
                for (int round = 0; round < 6; round++)
                {
                    model.Run(400);
                    AssertStatisticsAddUp(model.AnyBlock);
                    Expect.Equal(model.UsableBytes, (nuint)GetStatistics().InUseBytes);
                }

                model.CheckAll();
                model.FreeAll();
                Trim();
                Expect.Equal(0, GetStatistics().Segments);
                Expect.Equal((0, 0), (TakenPages(), DirtyFreePages()));
            }

            [Theory]
            [MemberData(nameof(Seeds))]
            public void Random_use_by_threads_that_free_each_others_blocks_keeps_every_byte_however_few_pages_may_stay(int seed)
            {
                Segments->LeastKeptPages = seed % 3;
                ShadowModelTests.RunThreads(seed, threads: 3, steps: 1500);
            }

            [Fact]
            public void Under_a_limit_nothing_fails_because_pages_are_just_being_discarded()
            {
                Segments->LeastKeptPages = 0;
                MemoryLimit = 64 << 20;
                try
                {
                    // Twice what they have live and keep.
                    Threads.Run(4, number =>
                    {
                        Random random = new Random(s_seed + number);
                        List<ShadowBlock> live = [];
                        for (int i = 0; i < 3000; i++)
                        {
                            live.Add(Touch((nuint)random.Next(1, 300_000)));
                            while (live.Count > 10)
                                FreeAny(live, random);
                        }

                        while (live.Count > 0)
                            FreeAny(live, random);
                    });
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }

            private static bool IsDiscard(SystemCall call) => call.Number == X64.Madvise && call.C == Syscalls.MadvDontNeed;

            // Frees that reach the segments.
            private static void UsePairs()
            {
                for (int i = 0; i < 300; i++)
                    FreeToSegment(Alloc(Size));
            }

            private static long CountDiscards(Action use)
            {
                long discards = 0;
                using (new KernelWatch(call =>
                {
                    discards += IsDiscard(call) ? 1 : 0;
                    return null;
                }))
                {
                    use();
                }

                return discards;
            }

            // Allocates a block of which each page is resident.
            private static ShadowBlock Touch(nuint size)
            {
                byte* block = (byte*)Alloc(size);
                for (nuint offset = 0; offset < size; offset += AddressSpace.SmallestPage)
                    block[offset] = 1;
                ShadowBlock stamped = new ShadowBlock((nuint)block, size, 16, (ulong)block + size);
                nuint end = Math.Min(size, 64);
                Pattern.Write(block, end, stamped.Seed);
                Pattern.Write(block + size - end, end, stamped.Seed);
                return stamped;
            }

            private static void CheckEnds(ShadowBlock block)
            {
                nuint end = Math.Min(block.Size, 64);
                foreach (nuint at in new[] { block.Address, block.Address + block.Size - end })
                {
                    // The two overlap in a block of less than both.
                    if (at == block.Address && block.Size < 2 * end)
                        continue;
                    Expect.True(Pattern.FirstDifference((void*)at, end, block.Seed) < 0, $"seed {s_seed}: {block} has changed");
                }
            }

            private static void FreeAny(List<ShadowBlock> live, Random random)
            {
                int index = random.Next(live.Count);
                ShadowBlock block = live[index];
                live[index] = live[^1];
                live.RemoveAt(live.Count - 1);
                CheckEnds(block);
                Free((void*)block.Address);
            }

            private static int DirtyFreePages() => SlotsOf(SlotKind.Segment)
                .Sum(segment => (int)ulong.PopCount(((Segment*)segment)->FreePages & ((Segment*)segment)->DirtyPages));

            private static int TakenPages() => SlotsOf(SlotKind.Segment)
                .Sum(segment => (int)ulong.PopCount(((Segment*)segment)->Pages & ~((Segment*)segment)->FreePages));

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_sparePages")]
            private static extern ref int SparePagesOf(ref SegmentManager segments);

            private static int ResidentPages() => SlotsOf(SlotKind.Segment)
                .Sum(segment => ResidentMemory.PagesIn(segment, segment + Segment.Size));
        }
    }
}
