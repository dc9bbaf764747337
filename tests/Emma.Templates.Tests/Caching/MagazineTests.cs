using System.Runtime.InteropServices;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // A block of memory for magazines that no store knows.
        private sealed class LooseMagazines(int count) : IDisposable
        {
            private readonly byte* _memory = Zeroed((nuint)count * Magazine.Bytes);

            internal int Count => count;

            internal Magazine* this[int index] => (Magazine*)(_memory + index * Magazine.Bytes);

            internal int IndexOf(Magazine* magazine) => (int)(((byte*)magazine - _memory) / Magazine.Bytes);

            public void Dispose() => NativeMemory.AlignedFree(_memory);

            private static byte* Zeroed(nuint bytes)
            {
                byte* memory = (byte*)NativeMemory.AlignedAlloc(bytes, Magazine.Bytes);
                NativeMemory.Clear(memory, bytes);
                return memory;
            }
        }

        public sealed class MagazineTests
        {
            [Fact]
            public void A_magazine_of_every_class_fits_its_memory_with_both_sentinels()
            {
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    int capacity = Magazine.CapacityOf(SizeClasses.SizeOf(sizeClass));
                    ulong* slots = Magazine.Slots((Magazine*)Magazine.Bytes);
                    Expect.InRange((nuint)(slots - 1), (nuint)Magazine.Bytes, (nuint)Magazine.Bytes * 2);
                    Expect.True((nuint)(slots + capacity + 1) <= (nuint)Magazine.Bytes * 2, $"class {sizeClass}: {capacity} slots");
                }
            }

            [Fact]
            public void A_magazine_holds_BlockBytes_at_most_unless_two_blocks_are_more()
            {
                int former = int.MaxValue;
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    int capacity = Magazine.CapacityOf(size);
                    Expect.InRange(capacity, 2, Magazine.MaxCapacity);
                    Expect.True(capacity <= former, $"size {size}: {capacity} blocks, the smaller class {former}");
                    if (capacity > 2)
                        Expect.True((nuint)capacity * size <= Magazine.BlockBytes, $"size {size}: {capacity} blocks");
                    if (capacity < Magazine.MaxCapacity)
                        Expect.True((nuint)(capacity + 1) * size > Magazine.BlockBytes, $"size {size}: one more than {capacity} would fit");
                    former = capacity;
                }
            }

            [Fact]
            public void A_prepared_magazine_is_empty_below_its_first_slot_and_full_behind_its_last()
            {
                using var magazines = new LooseMagazines(1);
                foreach (int capacity in Capacities())
                {
                    Magazine.Prepare(magazines[0], capacity);
                    ulong* slots = Magazine.Slots(magazines[0]);
                    Expect.Equal(0UL, slots[-1]);
                    Expect.Equal(Magazine.Full, slots[capacity]);
                    for (int count = 0; count <= capacity; count++)
                    {
                        ulong top = Magazine.TopAt(magazines[0], count);
                        Expect.Equal((nuint)magazines[0], (nuint)Magazine.Of(top));
                        Expect.Equal(count, Magazine.CountAt(top));
                    }
                }
            }

            [Fact]
            public void A_magazine_used_again_with_another_capacity_is_full_there_and_nowhere_else()
            {
                using var magazines = new LooseMagazines(1);
                ulong* slots = Magazine.Slots(magazines[0]);
                foreach (int before in Capacities())
                {
                    foreach (int after in Capacities())
                    {
                        Magazine.Prepare(magazines[0], before);
                        for (int i = 0; i < before; i++)
                            slots[i] = 0x1234_5670;
                        Magazine.Prepare(magazines[0], after);
                        int room = 0;
                        while (slots[room] != Magazine.Full)
                            slots[room++] = 0x7654_3210;
                        Expect.True(room == after, $"capacity {after} after {before}: full at {room}");
                        for (int i = 0; i <= Magazine.MaxCapacity; i++)
                            Expect.True(i == after || slots[i] != Magazine.Full, $"capacity {after} after {before}: slot {i}");
                        Expect.Equal(0UL, slots[-1]);
                    }
                }
            }

            private static IEnumerable<int> Capacities() =>
                Enumerable.Range(1, SizeClasses.Count).Select(sizeClass => Magazine.CapacityOf(SizeClasses.SizeOf(sizeClass))).Distinct();
        }
    }
}
