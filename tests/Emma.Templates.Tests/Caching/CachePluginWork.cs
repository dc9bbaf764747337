using System.Collections.Concurrent;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What copies of the heap do with their caches: see <see cref="Emma.Templates.Tests.CacheCopy"/>.</summary>
        public static class CachePluginWork
        {
            private static readonly ConcurrentQueue<object> s_kept = [];

            /// <summary>
            /// Fills caches of several threads and the depots, and leaves blocks of every kind to objects that free them when they are
            /// finalized.
            /// </summary>
            /// <returns>1 if the caches are found by machine code, 0 if by a thread static; then addresses in the heap's
            /// mappings.</returns>
            public static nuint[] LeaveFullCachesAndBlocksToFinalizers()
            {
                Crew.Run(3, seed =>
                {
                    Random random = new Random(seed);
                    LocalHeap local = Local;
                    List<nuint> blocks = [];
                    for (int i = 0; i < 400; i++)
                        blocks.Add((nuint)local.Alloc(Stamp.AnySize(random, 8_000)));
                    blocks.ForEach(block => Free((void*)block));
                    for (int i = 0; i < 30; i++)
                        s_kept.Enqueue(new Owner(Stamp.AnySize(random, 50_000)));
                });
                Owner last = new Owner(64);
                s_kept.Enqueue(last);
                return [UsesMachineCodeNow, last.Address, (nuint)Space->Find(last.Address), MagazineOf(64), KernelMode.CodeAddress];
            }

            /// <summary>Allocates and frees on a thread of the host.</summary>
            /// <returns>A block that stays live.</returns>
            public static nuint[] UseThisThread()
            {
                Expect.True(SmallBlocks.CurrentCache == null, "the thread begins with another heap's cache");
                RandomWork(1, 300);
                void* pin = Alloc(100);
                Expect.True(SmallBlocks.CurrentCache != null);
                return [(nuint)pin, KernelMode.CodeAddress];
            }

            /// <summary>What a heap with caches must stand: threads that exchange blocks, come and go, trim and destroy.</summary>
            /// <returns>1 if the caches are found by machine code, 0 if by a thread static.</returns>
            public static nuint[] UseThoroughly()
            {
                for (int round = 0; round < 3; round++)
                {
                    ConcurrentQueue<ShadowBlock> exchange = [];
                    Crew.Run(4, seed => RandomWork(seed, 1_500, exchange));
                    for (int i = 0; i < 50; i++)
                        Crew.RunOne(() => RandomWork(i, 20, exchange));
                    RandomWork(99, 500, exchange);
                    Crew.RunOne(() => DoubleFreeTests.FreeEachTwice(300, 64, locally: round % 2 != 0));
                    while (exchange.TryDequeue(out ShadowBlock block))
                        Stamp.CheckAndFree(block);
                    Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                    AssertStatisticsAddUp();
                    Trim();
                    Expect.Equal(0, GetStatistics().Segments);
                    Alloc(100);
                    Destroy();
                }

                return [UsesMachineCodeNow];
            }

            /// <summary>Allocates and frees on some threads, and leaves a block live.</summary>
            /// <returns>1 if the caches are found by machine code, 0 if by a thread static.</returns>
            public static nuint[] UseALittle()
            {
                RandomWork(5, 200);
                Crew.Run(2, seed => RandomWork(seed, 200));
                Alloc(100);
                return [UsesMachineCodeNow];
            }

            private static nuint UsesMachineCodeNow => SmallBlocks.HasMachineCode ? 1u : 0u;

            private static void RandomWork(int seed, int steps)
            {
                ConcurrentQueue<ShadowBlock> exchange = [];
                RandomWork(seed, steps, exchange);
                while (exchange.TryDequeue(out ShadowBlock block))
                    Stamp.CheckAndFree(block);
            }

            private static void RandomWork(int seed, int steps, ConcurrentQueue<ShadowBlock> exchange)
            {
                Random random = new Random(seed);
                List<ShadowBlock> live = [];
                for (int step = 0; step < steps; step++)
                {
                    ShadowBlock block = Stamp.Alloc(Stamp.AnySize(random, 4_000));
                    if (random.Next(3) == 0)
                        exchange.Enqueue(block);
                    else
                        live.Add(block);
                    if (random.Next(3) == 0 && exchange.TryDequeue(out ShadowBlock other))
                        Stamp.CheckAndFree(other, $"(seed {seed}, step {step})");
                }

                live.ForEach(block => Stamp.CheckAndFree(block, $"(seed {seed}, end)"));
            }

            // The magazine that the calling thread has loaded for a size.
            private static nuint MagazineOf(nuint size)
            {
                Magazine* magazine = Small->Magazines.Take(SmallBlocks.DepotOf(SizeClasses.Of(size))->Capacity);
                Small->Magazines.Give(magazine);
                return (nuint)magazine;
            }

            private sealed class Owner(nuint size)
            {
                private readonly ShadowBlock _block = Stamp.Alloc(size);

                internal nuint Address => _block.Address;

                ~Owner() => Stamp.CheckAndFree(_block);
            }
        }
    }
}
