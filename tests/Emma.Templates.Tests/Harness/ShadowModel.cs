using System.Collections.Concurrent;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // A live block as its owner sees it.
        private readonly record struct ShadowBlock(nuint Address, nuint Size, nuint Alignment, ulong Seed)
        {
            public override string ToString() => $"block 0x{Address:x} of size {Size}, alignment {Alignment}, pattern {Seed}";
        }

        // Uses the heap at random and knows what every live block must hold. One seed gives one sequence of requests; every failure names
        // it. Instances of several threads may share a queue, through which blocks change hands.
        private sealed class ShadowModel(int seed, nuint maxLiveBytes, ConcurrentQueue<ShadowBlock>? exchange = null)
        {
            private readonly Random _random = new Random(seed);
            private readonly List<ShadowBlock> _live = [];
            private nuint _liveBytes;
            private int _step;
            private ulong _nextPattern = unchecked((ulong)seed << 32);

            internal int LiveCount => _live.Count;

            internal nuint UsableBytes => _live.Aggregate((nuint)0, (sum, block) => sum + UsableSize((void*)block.Address));

            internal void* AnyBlock => _live.Count == 0 ? null : (void*)_live[0].Address;

            internal void Run(int steps)
            {
                for (int i = 0; i < steps; i++)
                {
                    _step++;
                    Step(_random.Next(1000));
                    while (_liveBytes > maxLiveBytes)
                        FreeAny();
                }

                CheckOverlaps();
            }

            internal void FreeAll()
            {
                while (_live.Count > 0)
                    FreeAny();
            }

            internal void CheckAll()
            {
                foreach (ShadowBlock block in _live)
                    CheckContents(block, block.Address, block.Size);
            }

            // Demands that no two live blocks share a byte, their usable tails included.
            internal void CheckOverlaps()
            {
                _live.Sort((a, b) => a.Address.CompareTo(b.Address));
                for (int i = 1; i < _live.Count; i++)
                {
                    ShadowBlock before = _live[i - 1];
                    if (before.Address + UsableSize((void*)before.Address) > _live[i].Address)
                        Fail($"{before} overlaps {_live[i]}");
                }
            }

            private void Step(int choice)
            {
                switch (choice)
                {
                    case < 300:
                        Allocate(AnySize(), 16, zeroed: false);
                        break;
                    case < 420:
                        Allocate(AnySize(), 16, zeroed: true);
                        break;
                    case < 540:
                        Allocate(AnySize(), AnyAlignment(), zeroed: false);
                        break;
                    case < 680:
                        Resize(16);
                        break;
                    case < 740:
                        Resize(AnyAlignment());
                        break;
                    case < 742:
                        Trim();
                        break;
                    case < 800 when exchange is not null:
                        Exchange();
                        break;
                    default:
                        FreeAny();
                        break;
                }
            }

            private void Allocate(nuint size, nuint alignment, bool zeroed)
            {
                void* block = zeroed ? AllocZeroed(size) : alignment == 16 ? Alloc(size) : AlignedAlloc(size, alignment);
                if (zeroed && !Pattern.IsZero(block, size))
                    Fail($"AllocZeroed({size}) gave a block with old bytes");
                if (alignment <= 16 && !IsAsGood(UsableSize(block), size))
                    Fail($"Alloc({size}): usable are {UsableSize(block)} bytes, but the good size is {GoodSize(size)}");
                Enter((nuint)block, size, alignment);
            }

            // A large block may come from the cache, whose mappings are used although they are up to an eighth too large.
            private static bool IsAsGood(nuint usable, nuint size) => size <= LargeBlocks.Threshold
                ? usable == GoodSize(size)
                : usable >= GoodSize(size) && usable - GoodSize(size) <= GoodSize(size) / 8;

            private void Resize(nuint alignment)
            {
                if (_live.Count == 0)
                    return;

                ShadowBlock old = TakeAny();
                nuint size = AnySize();
                void* block = alignment == 16 ? Realloc((void*)old.Address, size) : AlignedRealloc((void*)old.Address, size, alignment);
                CheckContents(old, (nuint)block, Math.Min(old.Size, size));
                Enter((nuint)block, size, alignment);
            }

            private void Exchange()
            {
                if (_live.Count > 0)
                    exchange!.Enqueue(TakeAny());
                if (exchange!.Count > 50 && exchange.TryDequeue(out ShadowBlock block))
                {
                    CheckContents(block, block.Address, block.Size);
                    Free((void*)block.Address);
                }
            }

            private void FreeAny()
            {
                if (_live.Count == 0)
                    return;

                ShadowBlock block = TakeAny();
                CheckContents(block, block.Address, block.Size);
                if (_random.Next(2) == 0)
                    Free((void*)block.Address);
                else
                    AlignedFree((void*)block.Address);
            }

            private ShadowBlock TakeAny()
            {
                int index = _random.Next(_live.Count);
                ShadowBlock block = _live[index];
                _live[index] = _live[^1];
                _live.RemoveAt(_live.Count - 1);
                _liveBytes -= block.Size;
                return block;
            }

            private void Enter(nuint address, nuint size, nuint alignment)
            {
                ShadowBlock block = new ShadowBlock(address, size, alignment, _nextPattern++);
                if (address % Math.Max(alignment, 16) != 0)
                    Fail($"{block} is not aligned");
                if (UsableSize((void*)address) < size)
                    Fail($"{block} has only {UsableSize((void*)address)} bytes");
                if (!Owns((void*)address) || (size > 0 && !Owns((void*)(address + size - 1))))
                    Fail($"{block} is not owned");
                Pattern.Write((void*)address, size, block.Seed);
                _live.Add(block);
                _liveBytes += size;
            }

            private void CheckContents(ShadowBlock block, nuint address, nuint size)
            {
                long difference = Pattern.FirstDifference((void*)address, size, block.Seed);
                if (difference >= 0)
                    Fail($"{block}, now at 0x{address:x}: byte {difference} of {size} has changed");
            }

            private nuint AnySize()
            {
                int kind = _random.Next(100);
                return kind switch
                {
                    < 30 => (nuint)_random.Next(0, 129),
                    < 55 => (nuint)_random.Next(129, 2049),
                    < 70 => Near(SizeClasses.SizeOf(_random.Next(1, SizeClasses.Count + 1))),
                    < 80 => (nuint)_random.Next(2049, 32_769),
                    < 90 => (nuint)_random.Next(32_769, 300_000),
                    < 95 => Near((nuint)_random.Next(1, 33) * Segment.PageSize),
                    < 97 => Near(LargeBlocks.Threshold),
                    < 99 => (nuint)_random.Next(1 << 20, 3 << 20),
                    _ => Near((nuint)_random.Next(2 << 20, 9 << 20)),
                };
            }

            private nuint Near(nuint border) => border - 1 + (nuint)_random.Next(3);

            private nuint AnyAlignment() => (nuint)1 << (_random.Next(20) == 0 ? _random.Next(17, 31) : _random.Next(0, 17));

            private void Fail(string what) => Expect.Fail($"seed {seed}, step {_step}: {what}");
        }
    }
}
