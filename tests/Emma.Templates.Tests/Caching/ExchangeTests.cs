using System.Collections.Concurrent;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Blocks that one thread allocates and another frees.</summary>
        public sealed class ExchangeTests : HeapTest
        {
            [Theory]
            [InlineData(64, 600, 256, 40_000)]
            [InlineData(64, 4_000, 2_000, 512)]
            [InlineData(4, 10_000, 100, 10_000)]
            public void Threads_that_exchange_blocks_through_shared_slots_find_every_byte(int threads, int steps, int slots, int mostBytes)
            {
                object?[] shared = new object?[slots];
                Crew.Run(threads, seed =>
                {
                    Random random = new Random(seed);
                    for (int step = 0; step < steps; step++)
                    {
                        ShadowBlock block = Stamp.Alloc(Stamp.AnySize(random, mostBytes));
                        if (Interlocked.Exchange(ref shared[random.Next(slots)], block) is ShadowBlock other)
                            Stamp.CheckAndFree(other, $"(seed {seed}, step {step})");
                    }
                });
                Expect.True((nuint)GetStatistics().InUseBytes > 0);
                AssertStatisticsAddUp();
                foreach (object? slot in shared)
                {
                    if (slot is ShadowBlock block)
                        Stamp.CheckAndFree(block);
                }

                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Trim();
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)0, (nuint)s.InUseBytes + (nuint)s.CachedBytes + (nuint)s.FreeBytes);
                Expect.Equal(0, s.Segments);
                AssertStatisticsAddUp();
            }

            [Theory]
            [InlineData(16)]
            [InlineData(64)]
            [InlineData(1024)]
            [InlineData(8192)]
            public void A_producer_and_a_consumer_in_steady_state_move_magazines_and_map_nothing(int bytes)
            {
                nuint size = (nuint)bytes;
                const int warmUp = 20_000, steady = 60_000;
                // So few blocks that the depot has room for all of them.
                ShadowBlock[] ring = new ShadowBlock[Math.Min(256, Depot.MaxBytes / bytes / 8)];
                int produced = 0, consumed = 0;
                long taken = 0;
                nuint mapped = 0;
                Crew.Run(2, number =>
                {
                    if (number == 0)
                    {
                        for (int i = 0; i < warmUp + steady; i++)
                        {
                            while (i - Volatile.Read(ref consumed) == ring.Length)
                                Thread.Yield();
                            ring[i % ring.Length] = Stamp.Alloc(size);
                            Volatile.Write(ref produced, i + 1);
                            if (i == warmUp)
                            {
                                Reserve(size);
                                (taken, mapped) = (CacheInternals.TakenFromSlabs(size), (nuint)GetStatistics().MappedBytes);
                            }
                        }

                        return;
                    }

                    for (int i = 0; i < warmUp + steady; i++)
                    {
                        while (Volatile.Read(ref produced) == i)
                            Thread.Yield();
                        Stamp.CheckAndFree(ring[i % ring.Length], $"(block {i})");
                        Volatile.Write(ref consumed, i + 1);
                    }
                });
                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
                Expect.Equal(taken, CacheInternals.TakenFromSlabs(size));
                Expect.True(CacheInternals.InDepot(size) > 0);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);

                // The ring was perhaps never full until now: what it and two caches may hold is taken from the slabs before the count
                // begins.
                void Reserve(nuint blockSize)
                {
                    int count = ring.Length + 5 * SmallBlocks.DepotOf(SizeClasses.Of(blockSize))->Capacity;
                    nuint[] blocks = Enumerable.Range(0, count).Select(_ => (nuint)Alloc(blockSize)).ToArray();
                    Array.ForEach(blocks, block => Free((void*)block));
                }
            }

            [Fact]
            public void Blocks_freed_by_other_threads_only_come_back_to_the_allocating_ones()
            {
                // Each thread allocates, the next one frees: round after round the same memory serves.
                const int threads = 4, rounds = 200, count = 400;
                ConcurrentQueue<ShadowBlock>[] inboxes = Enumerable.Range(0, threads).Select(_ => new ConcurrentQueue<ShadowBlock>())
                    .ToArray();
                using var turn = new Barrier(threads);
                nuint mapped = 0;
                Crew.Run(threads, number =>
                {
                    Random random = new Random(number);
                    for (int round = 0; round < rounds; round++)
                    {
                        for (int i = 0; i < count; i++)
                            inboxes[(number + 1) % threads].Enqueue(Stamp.Alloc((nuint)(1 + i % 50 * 16)));
                        Crew.Meet(turn);
                        while (inboxes[number].TryDequeue(out ShadowBlock block))
                            Stamp.CheckAndFree(block, $"(round {round})");
                        Crew.Meet(turn);
                        if (number == 0 && round == rounds / 4)
                            mapped = (nuint)GetStatistics().MappedBytes;
                        Crew.Meet(turn);
                    }
                });
                Expect.Equal(mapped, (nuint)GetStatistics().MappedBytes);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void Mixed_uses_of_the_heap_by_a_pool_of_threads_keep_every_block()
            {
                ConcurrentQueue<ShadowBlock> exchange = [];
                Crew.Run(16, number =>
                {
                    ShadowModel model = new ShadowModel(9_000 + number, 2 << 20, exchange);
                    model.Run(250);
                    model.CheckAll();
                    model.FreeAll();
                });
                foreach (ShadowBlock block in exchange)
                    Stamp.CheckAndFree(block);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Trim();
                Expect.Equal(0, GetStatistics().Segments);
                AssertStatisticsAddUp();
            }
        }
    }
}
