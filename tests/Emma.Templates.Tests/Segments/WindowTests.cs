using System.Diagnostics;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Where mappings go among the windows of a heap, and in what time a place is found.</summary>
        public sealed class WindowTests : HeapTest
        {
            private const nuint MiB = 1 << 20;

            [Fact]
            public void Segments_lie_in_the_first_window_though_the_first_block_would_fill_it()
            {
                void* huge = Alloc(Window.DefaultSize);
                void* small = Alloc(64);

                Expect.False(IsInFirst(huge));
                Expect.True(IsInFirst(small));
                Free(small);
                Free(huge);
            }

            [Fact]
            public void A_quarter_of_the_first_window_is_left_for_segments_by_large_blocks()
            {
                const nuint size = 1024 * MiB;
                List<nuint> blocks = [];
                nuint block;
                do
                {
                    block = (nuint)Alloc(size);
                    blocks.Add(block);
                }
                while (IsInFirst((void*)block));

                Expect.Equal((int)(Window.DefaultSize / size * 3 / 4), blocks.Count - 1);
                Expect.True(IsInFirst(Alloc(64)));
                foreach (nuint address in blocks)
                    Free((void*)address);
            }

            /// <summary>Each slot that is free is found, in ascending order from where the last search ended, and no other.</summary>
            [Theory]
            [InlineData(1)]
            [InlineData(2)]
            [InlineData(3)]
            public void Places_are_found_as_a_plain_search_of_the_slots_would(int seed)
            {
                Random random = new Random(seed);
                void* pin = Alloc(64);
                Window* window = Space->Find((nuint)pin);
                List<(nuint Address, nuint Length)> live = [];
                for (int step = 0; step < 4000; step++)
                {
                    if (live.Count > 200 || (live.Count > 0 && random.Next(3) == 0))
                    {
                        int index = random.Next(live.Count);
                        Space->Unmap(live[index].Address, live[index].Length);
                        live.RemoveAt(index);
                        continue;
                    }

                    nuint slots = (nuint)random.Next(1, random.Next(2, 70));
                    nuint alignment = Window.SlotSize << random.Next(0, 4);
                    nuint length = slots * Window.SlotSize - (nuint)random.Next(0, 3) * Heap->KernelPage;
                    nuint address = Space->Map(length, alignment, SlotKind.Busy);
                    Expect.True(address != 0 && address % alignment == 0, $"seed {seed}, step {step}: {length} bytes at {alignment}");
                    nuint end = address + AlignUp(length, Window.SlotSize);
                    Expect.DoesNotContain(live, other => other.Address < end
                        && address < other.Address + AlignUp(other.Length, Window.SlotSize));
                    live.Add((address, length));
                }

                for (nuint slot = 0; slot < window->SlotsUsed; slot++)
                {
                    bool taken = (window->TakenBits[slot / 64] >> (int)(slot % 64) & 1) != 0;
                    Expect.True(taken == (window->Slots[slot] != SlotKind.Free), $"seed {seed}: slot {slot}");
                }

                foreach ((nuint address, nuint length) in live)
                    Space->Unmap(address, length);
            }

            /// <summary>It took thirty times as long once the first window was full.</summary>
            [Fact]
            public void A_large_block_takes_hardly_longer_beyond_four_full_windows()
            {
                void* first = Alloc(64);
                double empty = LeastMicroseconds();
                List<nuint> blocks = [];
                for (int i = 0; i < 4 * 64; i++)
                    blocks.Add((nuint)Alloc(1024 * MiB - Segment.PageSize));
                double full = LeastMicroseconds();

                Expect.True(full < 5 * empty + 5, $"{full:f1} µs beyond four full windows, {empty:f1} before");
                foreach (nuint block in blocks)
                    Free((void*)block);
                Free(first);
            }

            [NotOnWindows("no heap reads a list of mappings there.")]
            [Fact]
            public void The_list_of_mappings_tells_an_inaccessible_mapping_from_others_and_from_a_part_of_one()
            {
                const nuint length = 64 * 4096;
                nuint hole = (nuint)Libc.Map(null, 3 * length, 0, Syscalls.MapUnreserved, -1, 0);
                // What lies beside it has other rights, so that the kernel does not make one mapping of two.
                Expect.Equal(0, Syscalls.Mprotect(hole, length, Syscalls.ProtReadWrite));
                Expect.Equal(0, Syscalls.Mprotect(hole + 2 * length, length, Syscalls.ProtReadWrite));

                Expect.True(MappingList.HasInaccessible(hole + length, hole + 2 * length));
                Expect.False(MappingList.HasInaccessible(hole + length, hole + 2 * length - 4096));
                Expect.False(MappingList.HasInaccessible(hole + length + 4096, hole + 2 * length));
                Expect.False(MappingList.HasInaccessible(hole, hole + length));
                Expect.False(MappingList.HasInaccessible(hole + 5 * length, hole + 6 * length));
                Syscalls.Munmap(hole, 3 * length);
            }

            private static bool IsInFirst(void* address) =>
                unchecked((nuint)address - Space->FirstBase) < Space->FirstPages << Window.PageShift;

            // The least time that a block of 2 MiB and a page takes to be mapped and unmapped.
            private static double LeastMicroseconds()
            {
                nuint length = 2 * MiB + Heap->KernelPage;
                long least = long.MaxValue;
                for (int i = 0; i < 300; i++)
                {
                    long start = Stopwatch.GetTimestamp();
                    nuint address = Space->Map(length, Window.SlotSize, SlotKind.Busy);
                    long ticks = Stopwatch.GetTimestamp() - start;
                    Space->Unmap(address, length);
                    least = Math.Min(least, ticks);
                }

                return least * 1e6 / Stopwatch.Frequency;
            }
        }
    }
}
