using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // A script that uses everything of a heap once, always in the same order, and goes on whatever fails. What fails must fail cleanly:
        // nothing has changed, every live block holds what was written, and the statistics add up. With a kernel between that counts its
        // refusals, an operation may fail only if the kernel refused something to it.
        private sealed class FaultRun(FaultyKernel? kernel, string name, Action<Action>? onOtherThread = null)
        {
            // How much of a block is written and checked at both ends: touching all of large ones would take most of the time.
            private const nuint Edge = 4096;

            private readonly List<ShadowBlock> _live = [];
            private ulong _nextPattern = 1;

            // What the script is doing.
            private string _step = "";

            // Operations that reported to be out of memory.
            internal int Refused { get; private set; }

            // Goes through the script to its end, which destroys the heap.
            internal void Run()
            {
                SmallBlocksOfManyClasses();
                AlignedBlocks();
                ZeroedBlocks();
                PageRuns();
                CheckStatistics();
                LargeBlocksResized();
                LargeBlocksCached();
                BlocksFarApart();
                BlockLargerThanAWindow();
                LocalBlocks();
                ThreadsComeAndGo();
                if (kernel is not null)
                    ThreadThatWaits();
                CheckStatistics();
                TrimAndGoOn();
                FreeAll();
                CheckStatistics();
                Step("Trim of an empty heap");
                Trim();
                CheckStatistics();
                Step("Destroy");
                Destroy();
                CheckStatistics();
            }

            // Goes through the first part of the script and leaves what is live there.
            internal void RunHalf()
            {
                SmallBlocksOfManyClasses();
                AlignedBlocks();
                ZeroedBlocks();
                PageRuns();
                LargeBlocksResized();
                LargeBlocksCached();
                BlocksFarApart();
            }

            // A little of everything, and all of it must work.
            internal void RunWithoutFaults()
            {
                int before = Refused;
                foreach (nuint size in new nuint[] { 1, 100, 5000, 32_768, 100_000, 2 << 20, 3 << 20 })
                {
                    Allocate(size);
                    Allocate(size, zeroed: true);
                    Allocate(size, alignment: 8192);
                    Resize(_live.Count - 1, size * 2);
                    Resize(_live.Count - 1, size);
                }

                CheckStatistics();
                FreeAll();
                Trim();
                CheckStatistics();
                if (Refused != before)
                    Fail($"{Refused - before} operations failed although the fault was gone");
            }

            private void SmallBlocksOfManyClasses()
            {
                Step("small blocks");
                foreach (nuint size in new nuint[] { 1, 16, 100, 500, 3000, 9000 })
                {
                    for (int i = 0; i < 24; i++)
                        Allocate(size);
                }

                Step("a second segment of small blocks");
                for (int i = 0; i < 130; i++)
                    Allocate(32_768);
                Step("frees of every second block");
                FreeSome(2);
                Step("small blocks resized");
                for (int i = 0; i < 20; i++)
                    Resize(i, (nuint)i * 300);
            }

            private void AlignedBlocks()
            {
                Step("aligned blocks");
                (nuint Size, nuint Alignment)[] kinds = [(100, 256), (5000, 4096), (70_000, 65_536), (1 << 20, 2 << 20), (100, 8 << 20)];
                foreach ((nuint size, nuint alignment) in kinds)
                {
                    Allocate(size, alignment);
                    Resize(_live.Count - 1, size + size / 2, alignment);
                }
            }

            private void ZeroedBlocks()
            {
                Step("zeroed blocks");
                foreach (nuint size in new nuint[] { 10, 3000, 30_000, 100_000, 1 << 20, 3 << 20 })
                    Allocate(size, zeroed: true);
            }

            private void PageRuns()
            {
                Step("page runs");
                foreach (nuint size in new nuint[] { 40_000, 200_000, 700_000, 1 << 20, 3 << 19, 2 << 20, 2 << 20 })
                    Allocate(size);
                Step("a page run shrunk and grown");
                int run = _live.Count - 1;
                Resize(run, 300_000);
                Resize(run, 900_000);
                Resize(run, 20_000);
                FreeSome(3);
            }

            private void LargeBlocksResized()
            {
                Step("a large block grown in place");
                Allocate(3 << 20);
                Resize(_live.Count - 1, 11 << 20);
                Step("a large block grown by moving");
                int moving = _live.Count - 1;
                Allocate(5 << 20);
                Resize(moving, 23 << 20);
                Step("a large block shrunk");
                Resize(moving, 9 << 20);
                Resize(moving, 3 << 20);
                Step("a large block that becomes a page run, and a small one");
                Resize(moving, 1 << 20);
                Resize(moving, 5 << 20);
                Resize(moving, 1000);
            }

            private void LargeBlocksCached()
            {
                Step("large blocks freed into the cache, and beyond it");
                int first = _live.Count;
                foreach (nuint size in new nuint[] { 20 << 20, 30 << 20, 25 << 20, 70 << 20 })
                    Allocate(size);
                FreeFrom(first);
                Step("large blocks from the cache");
                Allocate(24 << 20);
                Allocate(12 << 20);
                Allocate(12 << 20, zeroed: true);
            }

            private void BlocksFarApart()
            {
                Step("a second window");
                for (int i = 0; i < 6; i++)
                    Allocate(Edge, (nuint)16 << 30);
                Step("small blocks while there are two windows");
                for (int i = 0; i < 100; i++)
                    Allocate(20_000);
            }

            private void BlockLargerThanAWindow()
            {
                Step("a block that is larger than a window");
                // Most machines refuse; that is no fault.
                void* block = TryAlloc((nuint)65 << 30);
                if (block != null)
                    Enter((nuint)block, (nuint)65 << 30, 16);
                void* inconceivable = TryAlloc((nuint)100 << 40);
                Expect.True(inconceivable == null);
            }

            private void LocalBlocks()
            {
                Step("blocks of Local");
                List<ShadowBlock> freed = [];
                for (int i = 0; i < 60; i++)
                {
                    nuint size = (nuint)i * 30;
                    Attempt(() => (nuint)Local.TryAlloc(size), size);
                    Attempt(() => (nuint)Local.Alloc(size), size);
                    if (_live.Count > 0 && i % 3 == 0)
                        freed.Add(Take(_live.Count - 1));
                }

                foreach (ShadowBlock block in freed)
                {
                    Check(block);
                    Local.Free((void*)block.Address);
                }
            }

            private void ThreadsComeAndGo()
            {
                Step("threads that come and go");
                for (int thread = 0; thread < 3; thread++)
                {
                    OnOtherThread(() =>
                    {
                        int first = _live.Count;
                        for (int i = 0; i < 30; i++)
                        {
                            Allocate(64);
                            Allocate(700);
                            Allocate(12_000);
                        }

                        FreeFrom(first + 45);
                    });
                }
            }

            // Another thread waits for a lock in the kernel.
            private void ThreadThatWaits()
            {
                Step("a thread that waits");
                long sleeps = kernel!.CountOf(CallKind.FutexWait);
                long questions = kernel.CountOf(CallKind.TgKill);
                Giving->Acquire();
                Thread waiter = new Thread(() => Trim());
                waiter.Start();
                Patience.Until(() => kernel.CountOf(CallKind.FutexWait) != sleeps, "the other thread waits");
                // A thread that is not let sleep, as if the lock had just changed hands, has no reason to.
                const int many = 100;
                Patience.Until(
                    () => kernel.CountOf(CallKind.TgKill) != questions || kernel.CountOf(CallKind.FutexWait) > sleeps + many,
                    "the other thread asks for the owner");
                Giving->Release();
                Patience.Join(waiter, "the waiting thread is woken");
            }

            private void TrimAndGoOn()
            {
                Step("Trim, and a segment's pages used again");
                FreeSome(2);
                Trim();
                CheckStatistics();
                for (int i = 0; i < 40; i++)
                    Allocate((nuint)i * 900, zeroed: true);
                Allocate(2 << 20, zeroed: true);
                Allocate(3 << 20, zeroed: true);
            }

            private void OnOtherThread(Action action)
            {
                if (onOtherThread is not null)
                    onOtherThread(action);
                else
                    Threads.Run(1, _ => action());
            }

            private void Allocate(nuint size, nuint alignment = 16, bool zeroed = false)
            {
                // Every other time in the form that throws.
                bool throws = (_nextPattern & 1) == 0;
                Attempt(
                    () => (nuint)(zeroed ? throws ? AllocZeroed(size) : TryAllocZeroed(size)
                        : alignment > 16 ? throws ? AlignedAlloc(size, alignment) : TryAlignedAlloc(size, alignment)
                        : throws ? Alloc(size) : TryAlloc(size)),
                    size,
                    alignment,
                    mustBeZero: zeroed);
            }

            private nuint Attempt(Func<nuint> allocation, nuint size, nuint alignment = 16, bool mustBeZero = false)
            {
                nuint block = Try(allocation);
                if (block == 0)
                    return 0;

                if (mustBeZero && !IsZero(block, size))
                    Fail($"a zeroed block of {size} bytes has old contents");
                Enter(block, size, alignment);
                return block;
            }

            private nuint Try(Func<nuint> operation)
            {
                long hits = kernel?.Hits ?? 0;
                nuint result = 0;
                string reason = "it returned null";
                try
                {
                    result = operation();
                }
                catch (OutOfMemoryException exception)
                {
                    reason = exception.Message;
                }

                if (result == 0)
                {
                    Refused++;
                    if (kernel is not null && kernel.Hits == hits)
                        Fail($"it failed although the kernel refused nothing to it ({reason})");
                }

                return result;
            }

            private void Resize(int index, nuint size, nuint alignment = 16)
            {
                if (index < 0 || index >= _live.Count)
                    return;

                ShadowBlock old = _live[index];
                Check(old);
                bool throws = (_nextPattern & 1) == 0;
                nuint block = Try(() => (nuint)(alignment > 16
                    ? throws ? AlignedRealloc((void*)old.Address, size, alignment) : TryAlignedRealloc((void*)old.Address, size, alignment)
                    : throws ? Realloc((void*)old.Address, size) : TryRealloc((void*)old.Address, size)));
                if (block == 0)
                {
                    // It is as it was.
                    Check(old);
                    return;
                }

                CheckPattern(old, block, Math.Min(HeadOf(old.Size), size), old.Seed, "the beginning");
                if (size >= old.Size && old.Size > Edge)
                    CheckPattern(old, block + old.Size - Edge, Edge, ~old.Seed, "the old end");
                _live.RemoveAt(index);
                Enter(block, size, alignment, index);
            }

            private void Enter(nuint address, nuint size, nuint alignment, int index = -1)
            {
                ShadowBlock block = new ShadowBlock(address, size, alignment, _nextPattern++);
                if (address % alignment != 0 || UsableSize((void*)address) < size || !Owns((void*)address))
                    Fail($"{block} is not aligned, too short or not owned");
                Pattern.Write((void*)address, HeadOf(size), block.Seed);
                // The end has a pattern of its own, so that it is told from the beginning of another block.
                if (size > Edge)
                    Pattern.Write((void*)(address + size - Edge), Edge, ~block.Seed);
                _live.Insert(index < 0 ? _live.Count : index, block);
            }

            private void Check(ShadowBlock block)
            {
                CheckPattern(block, block.Address, HeadOf(block.Size), block.Seed, "the beginning");
                if (block.Size > Edge)
                    CheckPattern(block, block.Address + block.Size - Edge, Edge, ~block.Seed, "the end");
            }

            // How many bytes bear the pattern of a block's beginning.
            private static nuint HeadOf(nuint size) => size <= Edge ? size : Math.Min(Edge, size - Edge);

            private void CheckPattern(ShadowBlock block, nuint address, nuint length, ulong seed, string where)
            {
                long difference = Pattern.FirstDifference((void*)address, length, seed);
                if (difference >= 0)
                    Fail($"{block}: {where}, now at 0x{address:x}: byte {difference} of {length} has changed");
            }

            private static bool IsZero(nuint block, nuint size)
            {
                if (size <= 65_536)
                    return Pattern.IsZero((void*)block, size);
                for (nuint i = 0; i < size - 65_536; i += 16 * Edge)
                {
                    if (!Pattern.IsZero((void*)(block + i), 64))
                        return false;
                }

                return Pattern.IsZero((void*)(block + size - 65_536), 65_536);
            }

            private ShadowBlock Take(int index)
            {
                ShadowBlock block = _live[index];
                _live.RemoveAt(index);
                return block;
            }

            // Frees one in so many of the live blocks.
            private void FreeSome(int oneIn)
            {
                for (int i = _live.Count - 1; i >= 0; i -= oneIn)
                    FreeAt(i);
            }

            private void FreeFrom(int first)
            {
                for (int i = _live.Count - 1; i >= Math.Max(first, 0); i--)
                    FreeAt(i);
            }

            private void FreeAll()
            {
                Step("frees of all blocks");
                FreeSome(3);
                FreeSome(2);
                FreeFrom(0);
            }

            private void FreeAt(int index)
            {
                ShadowBlock block = Take(index);
                Check(block);
                Free((void*)block.Address);
            }

            // Demands that the statistics add up, and that they are what the ledger says.
            internal void CheckStatistics()
            {
                HeapStatistics s = GetStatistics();
                if ((nuint)s.MappedBytes != (nuint)s.InUseBytes + (nuint)s.FreeBytes + (nuint)s.HeaderBytes + (nuint)s.CachedBytes)
                    Fail($"mapped {(nuint)s.MappedBytes} bytes: in use {(nuint)s.InUseBytes}, free {(nuint)s.FreeBytes}, headers " +
                        $"{(nuint)s.HeaderBytes}, cached {(nuint)s.CachedBytes}");

                nuint live = 0;
                foreach (ShadowBlock block in _live)
                    live += UsableSize((void*)block.Address);
                if (live != (nuint)s.InUseBytes)
                    Fail($"{_live.Count} live blocks of {live} bytes, in use {(nuint)s.InUseBytes}");
                if (kernel is null)
                    return;

                nuint mapped = KernelEntry.MappedBytes + kernel.Mapped.Bytes(MappingUse.Memory) + CountedMarks();
                if (mapped != (nuint)s.MappedBytes || kernel.Trespass is not null || kernel.Mapped.Overflowed)
                    Fail($"mapped are {mapped} bytes, counted {(nuint)s.MappedBytes}; {kernel.Trespass}\n{kernel.Mapped}");
            }

            private void Step(string step) => _step = step;

            internal void Fail(string what) => Expect.Fail($"{name}: {_step}: {what}");
        }
    }
}
