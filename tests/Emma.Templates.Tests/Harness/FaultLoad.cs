using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // One thread's random use of the heap, which goes on whatever fails, and knows what its live blocks hold.
        private sealed class FaultLoad(int seed)
        {
            private const int MaxLive = 120;

            private readonly Random _random = new Random(seed);
            private readonly List<ShadowBlock> _live = [];
            private ulong _nextPattern = unchecked((ulong)seed << 32);

            // Operations that reported to be out of memory.
            internal int Refused { get; private set; }

            internal void Run(int steps)
            {
                for (int i = 0; i < steps; i++)
                {
                    switch (_random.Next(100))
                    {
                        case < 35:
                            Enter((nuint)TryAlloc(AnySize(out nuint size)), size);
                            break;
                        case < 45:
                            Enter((nuint)TryAllocZeroed(AnySize(out size)), size);
                            break;
                        case < 50:
                            Enter((nuint)TryAlignedAlloc(AnySize(out size), (nuint)1 << _random.Next(5, 24)), size);
                            break;
                        case < 62 when _live.Count > 0:
                            Resize(_random.Next(_live.Count));
                            break;
                        case 62 when _random.Next(10) == 0:
                            Trim();
                            break;
                        default:
                            FreeAny();
                            break;
                    }

                    while (_live.Count > MaxLive)
                        FreeAny();
                }
            }

            internal void FreeAll()
            {
                while (_live.Count > 0)
                    FreeAny();
            }

            private void Enter(nuint address, nuint size)
            {
                if (address == 0)
                {
                    Refused++;
                    return;
                }

                ShadowBlock block = new ShadowBlock(address, size, 16, _nextPattern++);
                Pattern.Write((void*)address, Written(size), block.Seed);
                _live.Add(block);
            }

            private void Resize(int index)
            {
                ShadowBlock old = _live[index];
                nuint address = (nuint)TryRealloc((void*)old.Address, AnySize(out nuint size));
                Check(old, address == 0 ? old.Address : address, address == 0 ? old.Size : Math.Min(old.Size, size));
                if (address != 0)
                    _live.RemoveAt(index);
                Enter(address, size);
            }

            private void FreeAny()
            {
                if (_live.Count == 0)
                    return;

                int index = _random.Next(_live.Count);
                ShadowBlock block = _live[index];
                _live[index] = _live[^1];
                _live.RemoveAt(_live.Count - 1);
                Check(block, block.Address, block.Size);
                Free((void*)block.Address);
            }

            private void Check(ShadowBlock block, nuint address, nuint size)
            {
                long difference = Pattern.FirstDifference((void*)address, Written(size), block.Seed);
                Expect.True(difference < 0, $"seed {seed}: {block}, now at 0x{address:x}: byte {difference} has changed");
            }

            // The bytes of a block that are written.
            private static nuint Written(nuint size) => Math.Min(size, 8192);

            private nuint AnySize(out nuint size) => size = _random.Next(100) switch
            {
                < 50 => (nuint)_random.Next(2000),
                < 80 => (nuint)_random.Next(40_000),
                < 95 => (nuint)_random.Next(2 << 20),
                _ => (nuint)_random.Next(2 << 20, 24 << 20),
            };
        }
    }
}
