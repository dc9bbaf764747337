using System.Collections.Concurrent;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Random histories of several threads that use the heap and their Local side by side.</summary>
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class CacheShadowModelTests : HeapTest
        {
            [Theory]
            [InlineData(1, 1, 20_000)]
            [InlineData(2, 4, 8_000)]
            [InlineData(3, 12, 2_500)]
            [InlineData(4, 4, 8_000)]
            public void Every_block_keeps_its_contents_whichever_way_it_is_used(int seed, int threads, int steps)
            {
                ConcurrentQueue<ShadowBlock> exchange = [];
                Crew.Run(threads, number =>
                {
                    Model model = new Model(seed * 1000 + number, exchange);
                    for (int done = 0; done < steps; done += 500)
                        model.Run(Local, 500);
                    model.FreeAll(Local);
                });
                while (exchange.TryDequeue(out ShadowBlock block))
                    Stamp.CheckAndFree(block, $"(seed {seed})");
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp();
                Trim();
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                Expect.Equal(0, GetStatistics().Segments);
            }

            /// <summary>
            /// A collection stops every thread wherever it is, in the machine code of the fast paths too, and may trim the heap.
            /// </summary>
            [Fact]
            public void Every_block_keeps_its_contents_while_garbage_is_collected()
            {
                const int threads = 3;
                int working = threads;
                ConcurrentQueue<ShadowBlock> exchange = [];
                Crew.Run(threads + 1, number =>
                {
                    if (number == threads)
                    {
                        for (int i = 0; Volatile.Read(ref working) > 0; i++)
                            GC.Collect(i % 3);
                        return;
                    }

                    try
                    {
                        for (int i = 0; i < Length.Of(10_000, 300_000); i++)
                            Free(Alloc((nuint)(i & 1023)));
                        Model model = new Model(7_000 + number, exchange);
                        for (int done = 0; done < Length.Of(500, 3_000); done += 100)
                            model.Run(Local, 100);
                        model.FreeAll(Local);
                    }
                    finally
                    {
                        Interlocked.Decrement(ref working);
                    }
                });
                while (exchange.TryDequeue(out ShadowBlock block))
                    Stamp.CheckAndFree(block);
                // Pages that an idle heap just discards are counted nowhere.
                State->Trimming.Acquire();
                try
                {
                    Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                    AssertStatisticsAddUp();
                }
                finally
                {
                    State->Trimming.Release();
                }
            }

            private sealed class Model(int seed, ConcurrentQueue<ShadowBlock> exchange)
            {
                private const int MostLive = 400;

                private readonly Random _random = new Random(seed);
                private readonly List<ShadowBlock> _live = [];
                private int _step;

                internal void Run(LocalHeap local, int steps)
                {
                    for (int i = 0; i < steps; i++)
                    {
                        _step++;
                        Step(local, _random.Next(100));
                        while (_live.Count > MostLive)
                            FreeAny(local);
                    }
                }

                internal void FreeAll(LocalHeap local)
                {
                    while (_live.Count > 0)
                        FreeAny(local);
                }

                private void Step(LocalHeap local, int choice)
                {
                    nuint size = AnySize();
                    switch (choice)
                    {
                        case < 12:
                            Enter(local.Alloc(size), size);
                            break;
                        case < 16:
                            Enter(local.TryAlloc(size), size);
                            break;
                        case < 22:
                            EnterZeroed(local.AllocZeroed(size), size);
                            break;
                        case < 26:
                            Enter(local.Alloc<uint>(size / 4), size / 4 * 4);
                            break;
                        case < 38:
                            Enter(Alloc(size), size);
                            break;
                        case < 44:
                            EnterZeroed(AllocZeroed(size), size);
                            break;
                        case < 48:
                            Enter(AlignedAlloc(size, (nuint)1 << _random.Next(13)), size);
                            break;
                        case < 54:
                            Resize(size);
                            break;
                        case < 62:
                            Exchange(local);
                            break;
                        case 62 when _random.Next(20) == 0:
                            Trim();
                            break;
                        case < 66:
                            FreeMany(local);
                            break;
                        default:
                            FreeAny(local);
                            break;
                    }
                }

                private void Enter(void* block, nuint size)
                {
                    if (block == null || UsableSize(block) < size)
                        Expect.Fail($"0x{(nuint)block:x} is no block of {size} bytes {Context}");
                    _live.Add(Stamp.Write(block, size));
                }

                private void EnterZeroed(void* block, nuint size)
                {
                    Expect.True(Pattern.IsZero(block, size), $"size {size}: not zeroed {Context}");
                    Enter(block, size);
                }

                private void Resize(nuint size)
                {
                    if (_live.Count == 0)
                        return;

                    ShadowBlock old = TakeAny();
                    void* block = Realloc((void*)old.Address, size);
                    nuint kept = Math.Min(size, old.Size);
                    Expect.True(Pattern.FirstDifference(block, kept, old.Seed) < 0, $"{old}: its bytes did not move with it {Context}");
                    Enter(block, size);
                }

                private void Exchange(LocalHeap local)
                {
                    if (_live.Count > 0)
                        exchange.Enqueue(TakeAny());
                    if (exchange.Count > 100 && exchange.TryDequeue(out ShadowBlock block))
                        Release(local, block);
                }

                // More frees in a row than two magazines hold.
                private void FreeMany(LocalHeap local)
                {
                    for (int i = 0; i < 30; i++)
                        FreeAny(local);
                }

                private void FreeAny(LocalHeap local)
                {
                    if (_live.Count > 0)
                        Release(local, TakeAny());
                }

                private void Release(LocalHeap local, ShadowBlock block)
                {
                    Stamp.Check(block, Context);
                    switch (_random.Next(3))
                    {
                        case 0:
                            Free((void*)block.Address);
                            break;
                        case 1:
                            AlignedFree((void*)block.Address);
                            break;
                        default:
                            local.Free((void*)block.Address);
                            break;
                    }
                }

                private ShadowBlock TakeAny()
                {
                    int index = _random.Next(_live.Count);
                    ShadowBlock block = _live[index];
                    _live[index] = _live[^1];
                    _live.RemoveAt(_live.Count - 1);
                    return block;
                }

                private nuint AnySize() => (nuint)(_random.Next(20) switch
                {
                    < 8 => _random.Next(0, 130),
                    < 14 => _random.Next(0, 1_040),
                    < 17 => _random.Next(1_000, 9_000),
                    < 19 => _random.Next(8_000, 33_000),
                    _ => _random.Next(32_000, 200_000),
                });

                private string Context => $"(seed {seed}, step {_step})";
            }
        }
    }
}
