using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class Scenarios
        {
            private const nuint OfItsOwn = 40_000;
            private const int MoreThanTheTable = 70_000;
            private const int HalfATable = 30_000;

            public static void FillTheTable()
            {
                using BlockList blocks = new BlockList();
                Expect.True(blocks.FillUntilItThrows());
                Expect.InRange(blocks.Count, HalfATable, MoreThanTheTable - 1);
                LiveOn();
                // And again, with the table as full as the process has left it.
                for (int i = 0; i < 100; i++)
                    Expect.Throws<OutOfMemoryException>(() => Alloc(OfItsOwn));
                LiveOn();
                AssertStatisticsAddUp();
                int count = blocks.Count;
                blocks.FreeAll();
                Expect.True(blocks.FillUntilItThrows());
                Expect.InRange(blocks.Count, count - 1000, count + 1000);
                blocks.FreeAll();
                AssertStatisticsAddUp();
            }

            public static void FillTheTableWithoutExceptions()
            {
                using BlockList blocks = new BlockList();
                blocks.Fill();
                Expect.InRange(blocks.Count, HalfATable, MoreThanTheTable - 1);
                LiveOn();
                Expect.True(TryRealloc(blocks.Last, OfItsOwn * 2) == null);
                Expect.True(TryAlignedAlloc(OfItsOwn, 64) == null);
                Expect.True(TryAllocZeroed(OfItsOwn) == null);
                LiveOn();
            }

            public static void FillTheTableWithThreads()
            {
                int thrown = 0;
                Thread[] threads = Enumerable.Range(0, 8).Select(_ => new Thread(() =>
                {
                    using BlockList blocks = new BlockList();
                    if (blocks.FillUntilItThrows())
                        Interlocked.Increment(ref thrown);
                    for (int i = 0; i < 20; i++)
                        TryAgain(ref thrown);
                    Thread.Sleep(1);
                })).ToArray();
                Array.ForEach(threads, thread => thread.Start());
                Array.ForEach(threads, thread => thread.Join());
                Expect.InRange(thrown, 1, threads.Length * 21);
                LiveOn();
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            public static void FillTheTableWithThreeHeaps()
            {
                FreshCopy second = new FreshCopy(typeof(SpareWork).FullName);
                FreshCopy third = new FreshCopy(typeof(SpareWork).FullName);
                nuint[] filled = [0, 0, 0];
                Thread[] threads =
                [
                    new Thread(() => filled[0] = SpareWork.Fill()[0]),
                    new Thread(() => filled[1] = second.Run(nameof(SpareWork.Fill))[0]),
                    new Thread(() => filled[2] = third.Run(nameof(SpareWork.Fill))[0]),
                ];
                Array.ForEach(threads, thread => thread.Start());
                Array.ForEach(threads, thread => thread.Join());
                Expect.All(filled, count => Expect.True(count > 0));
                Expect.InRange(filled[0] + filled[1] + filled[2], (nuint)HalfATable, (nuint)MoreThanTheTable);
                LiveOn();
                // One after the other now, the others being full.
                foreach (Func<string, nuint[]> run in new Func<string, nuint[]>[] { _ => SpareWork.FreeAndFill(), second.Run, third.Run })
                    Expect.True(run(nameof(SpareWork.FreeAndFill))[0] > 0);
                LiveOn();
                second.Unload();
                third.Unload();
            }

            public static void FillTheTableBesideOthers()
            {
                nuint first = unchecked((nuint)0x6200_0000_0000UL);
                for (nuint i = 0; i < HalfATable; i++)
                    MapForeign(first + i * 2 * Heap->KernelPage);
                using BlockList blocks = new BlockList();
                Expect.True(blocks.FillUntilItThrows());
                Expect.InRange(blocks.Count, HalfATable, MoreThanTheTable - HalfATable);
                int count = blocks.Count;
                LiveOn();
                for (nuint i = 0; i < HalfATable; i++)
                    UnmapForeign(first + i * 2 * Heap->KernelPage);
                Patience.Until(() => blocks.TryAdd(), "the room of others is to be had");
                Expect.True(blocks.FillUntilItThrows());
                Expect.InRange(blocks.Count, count + HalfATable - 1000, count + HalfATable + 1000);
                LiveOn();
            }

            public static void ExchangeBlocksInAFullTable()
            {
                using BlockList blocks = new BlockList();
                blocks.Fill();
                Expect.False(Spares->AreHeld);
                for (int i = 0; i < 1000; i++)
                {
                    int count = 1 + i % SpareMappings.Count;
                    blocks.FreeLast(count);
                    for (int j = 0; j < count; j++)
                        Expect.True(blocks.TryAdd(), $"exchange {i}");
                }

                LiveOn();
                Expect.True(blocks.FillUntilItThrows());
                blocks.FreeLast(3 * SpareMappings.Count);
                Patience.Until(
                    () =>
                    {
                        Free(Alloc(OfItsOwn));
                        return Spares->AreHeld;
                    },
                    "the heap has spare mappings again");
            }

            public static void AskForTooMuch()
            {
                Alloc(OfItsOwn);
                Expect.True(Spares->AreHeld);
                int before = SpareCount();
                ulong limit = Libc.Change(
                    Libc.LimitOfAddressSpace, ulong.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0]) * 4096 + (256 << 20));
                bool threw = Throws((nuint)1 << 30);
                Libc.Change(Libc.LimitOfAddressSpace, limit);
                Expect.True(threw);
                Expect.True(Throws((nuint)1 << 46));
                Expect.True(Spares->AreHeld);
                Expect.Equal(before, SpareCount());
                for (int i = 0; i < 100; i++)
                    Expect.True(TryAlloc(OfItsOwn) != null);
            }

            public static void DestroySpareMappings()
            {
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                int none = SpareCount();
                for (int round = 0; round < 3; round++)
                {
                    nuint small = (nuint)Alloc(100);
                    Expect.True(Spares->AreHeld);
                    Expect.Equal(none + SpareMappings.Count, SpareCount());
                    AssertStatisticsAddUp((void*)small);
                    Destroy();
                    Expect.False(Spares->AreHeld);
                    Expect.Equal(none, SpareCount());
                }

                // Threads that begin together leave one set of them.
                Crew.Run(16, _ => Alloc(OfItsOwn));
                Expect.Equal(none + SpareMappings.Count, SpareCount());
            }

            public static void MakeSpareMappingsInAnyRoom()
            {
                Alloc(OfItsOwn);
                Destroy();
                Expect.Equal(3, CountRoom(3));
                int[] rooms = [0, 1, 2, 3, 30, 62, 63, 64, 65, 66, 126, 127, 128, 129, 130, 131, 132, 133, 140];
                int[] left = new int[rooms.Length];
                bool[] had = new bool[rooms.Length];
                for (int i = 0; i < rooms.Length; i++)
                {
                    using var full = new FullTableOfMappings(rooms[i]);
                    had[i] = TryAlloc(OfItsOwn) != null;
                    if (had[i] == Spares->AreHeld)
                        Destroy();
                    left[i] = CountRoom(rooms[i] + 1);
                }

                Expect.Equal(rooms, left);
                // Splitting a mapping and adding one are counted differently by one or two.
                Expect.All(rooms.Zip(had), pair => Expect.True(
                    pair.Second ? pair.First >= 2 * SpareMappings.Count : pair.First <= 2 * SpareMappings.Count + 2, $"{pair}"));
            }

            // How many mappings of its own the process can have now, at most so many.
            [MethodImpl(MethodImplOptions.AggressiveOptimization)]
            private static int CountRoom(int most)
            {
                nuint first = unchecked((nuint)0x6300_0000_0000UL);
                int count = 0;
                while (count < most && Syscalls.Mmap(
                    first + (nuint)count * 2 * Heap->KernelPage,
                    Heap->KernelPage,
                    Syscalls.ProtReadWrite,
                    Syscalls.MapAtFreeAddress) > 0)
                {
                    count++;
                }

                for (int i = 0; i < count; i++)
                    Syscalls.Munmap(first + (nuint)i * 2 * Heap->KernelPage, Heap->KernelPage);
                return count;
            }

            // Has the runtime do what needs mappings: code compiled, threads, large objects, collections, exceptions.
            private static void LiveOn()
            {
                Expect.Equal(3, new List<decimal>([1, 2, 3]).FindAll(number => number > 0).Count);
                Thread thread = new Thread(() => Expect.Throws<FormatException>(() => int.Parse("no number")));
                thread.Start();
                thread.Join();
                GC.KeepAlive(new byte[200_000]);
                GC.Collect();
            }

            private static void TryAgain(ref int thrown)
            {
                try
                {
                    Free(Alloc(OfItsOwn));
                }
                catch (OutOfMemoryException)
                {
                    Interlocked.Increment(ref thrown);
                }
            }

            private static bool Throws(nuint size)
            {
                try
                {
                    Free(Alloc(size));
                    return false;
                }
                catch (OutOfMemoryException)
                {
                    return true;
                }
            }

            // Mappings of one page without access that have such neighbours: the guards of threads' stacks have none.
            private static int SpareCount()
            {
                List<Mapping> pages = ProcessMaps.Read().FindAll(
                    mapping => mapping.Rights == "---p" && mapping.End - mapping.Start == Heap->KernelPage);
                HashSet<nuint> starts = [.. pages.Select(page => page.Start)];
                return starts.Count(start =>
                    starts.Contains(start + Heap->KernelPage) || starts.Contains(start - Heap->KernelPage));
            }

            private static void MapForeign(nuint address) => Expect.Equal(
                (nint)address,
                (nint)Libc.Map((void*)address, Heap->KernelPage, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress, -1, 0));

            private static void UnmapForeign(nuint address) => Expect.Equal(0, Libc.Unmap((void*)address, Heap->KernelPage));
        }

        /// <summary>What copies of the heap do in load contexts of their own.</summary>
        public static class SpareWork
        {
            private static BlockList? s_blocks;

            /// <summary>Allocates until the heap throws.</summary>
            /// <returns>How many blocks it had.</returns>
            public static nuint[] Fill()
            {
                s_blocks = new BlockList();
                Expect.True(s_blocks.FillUntilItThrows());
                return [(nuint)s_blocks.Count];
            }

            /// <summary>The same, once more.</summary>
            public static nuint[] FreeAndFill()
            {
                s_blocks!.FreeAll();
                Expect.True(s_blocks.FillUntilItThrows());
                return [(nuint)s_blocks.Count];
            }
        }

        // Blocks with mappings of their own, more than the table has room for.
        private sealed class BlockList : IDisposable
        {
            private const nuint Size = 40_000;
            private const int Capacity = 70_000;

            private readonly nuint* _blocks = (nuint*)NativeMemory.AllocZeroed(Capacity, (nuint)sizeof(nuint));

            internal int Count { get; private set; }

            internal void* Last => (void*)_blocks[Count - 1];

            // Allocates until there is an exception.
            [MethodImpl(MethodImplOptions.AggressiveOptimization)]
            internal bool FillUntilItThrows()
            {
                try
                {
                    while (Count < Capacity)
                        Add((nuint)Alloc(Size));
                    return false;
                }
                catch (OutOfMemoryException)
                {
                    return true;
                }
            }

            // Allocates until there is no block.
            internal void Fill()
            {
                while (TryAdd())
                {
                }
            }

            internal bool TryAdd()
            {
                nuint block = Count < Capacity ? (nuint)TryAlloc(Size) : 0;
                if (block != 0)
                    Add(block);
                return block != 0;
            }

            internal void FreeLast(int count)
            {
                for (int i = 0; i < count; i++)
                    Free((void*)_blocks[--Count]);
            }

            internal void FreeAll() => FreeLast(Count);

            public void Dispose() => FreeAll();

            private void Add(nuint block)
            {
                *(nuint*)block = block;
                _blocks[Count++] = block;
            }
        }
    }
}
