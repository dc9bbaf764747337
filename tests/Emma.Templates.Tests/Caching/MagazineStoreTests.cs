using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>A store of the test's own, in the heap's address space, which Destroy unmaps.</summary>
        public sealed class MagazineStoreTests : HeapTest
        {
            private const int PerArea = (int)(Window.SlotSize / Magazine.Bytes);
            private const int PerGrowth = (int)(MagazineStore.GrowBytes / Magazine.Bytes);
            private const int Most = 32 * PerArea;

            public MagazineStoreTests() => Free(Alloc(1));

            [Fact]
            public void Memory_is_mapped_a_little_at_a_time_as_magazines_are_handed_out()
            {
                MagazineStore store = default;
                Expect.Equal((nuint)0, store.MappedBytes);
                nuint before = (nuint)GetStatistics().MappedBytes;
                for (int i = 0; i < 5 * PerGrowth; i++)
                {
                    store.Take(8);
                    Expect.Equal((nuint)(i / PerGrowth + 1) * MagazineStore.GrowBytes, store.MappedBytes);
                    Expect.Equal(before + store.MappedBytes, (nuint)GetStatistics().MappedBytes);
                }
            }

            [Fact]
            public void What_is_handed_out_is_empty_aligned_and_nobody_elses()
            {
                MagazineStore store = default;
                List<nuint> taken = TakeMany(ref store, 3 * PerGrowth + 1, 10);
                Expect.Equal(taken.Count, taken.Distinct().Count());
                Expect.All(taken, magazine => Expect.Equal((nuint)0, magazine % Magazine.Bytes));
            }

            [Fact]
            public void A_magazine_given_back_is_used_again_before_a_new_one()
            {
                MagazineStore store = default;
                List<nuint> taken = TakeMany(ref store, PerGrowth, 124);
                GiveAll(ref store, taken);
                for (int round = 0; round < 10; round++)
                {
                    List<nuint> again = TakeMany(ref store, PerGrowth, 2 + round);
                    Expect.Equal(taken.Order(), again.Order());
                    GiveAll(ref store, again);
                }

                Expect.Equal(MagazineStore.GrowBytes, store.MappedBytes);
            }

            [NotOnWindows("magazines stay committed.")]
            [Fact]
            public void More_magazines_than_one_area_holds_lie_in_a_second()
            {
                MagazineStore store = default;
                List<nuint> taken = TakeMany(ref store, PerArea + PerGrowth + 1, 20);
                Expect.Equal(taken.Count, taken.Distinct().Count());
                Expect.Equal(2, taken.Select(magazine => magazine / Window.SlotSize).Distinct().Count());
                Expect.Equal(Window.SlotSize + 2 * MagazineStore.GrowBytes, store.MappedBytes);

                GiveAll(ref store, taken);
                Expect.Equal(store.MappedBytes, store.DiscardIfUnused());
                Expect.Equal(0, ResidentPages(taken));
                List<nuint> again = TakeMany(ref store, PerArea + PerGrowth + 1, 124);
                Expect.Equal(taken.Order(), again.Order());
                Expect.Equal(Window.SlotSize + 2 * MagazineStore.GrowBytes, store.MappedBytes);
            }

            [Fact]
            public void When_every_area_is_full_there_is_none_until_one_is_given_back()
            {
                MagazineStore store = default;
                for (int i = 0; i < Most - 1; i++)
                    store.Take(2);
                Magazine* last = store.Take(2);
                Expect.True(last != null);
                Expect.True(store.Take(2) == null);
                store.Give(last);
                Expect.Equal((nuint)last, (nuint)store.Take(2));
                Expect.True(store.Take(2) == null);
                Expect.Equal(32 * Window.SlotSize, store.MappedBytes);
            }

            [NotOnWindows("magazines stay committed.")]
            [Fact]
            public void Nothing_is_discarded_while_one_magazine_is_out()
            {
                MagazineStore store = default;
                List<nuint> taken = TakeMany(ref store, 2 * PerGrowth, 30);
                nuint held = taken[5];
                taken.RemoveAt(5);
                for (int i = 0; i < 30; i++)
                    Magazine.Slots((Magazine*)held)[i] = (ulong)i + 100;
                GiveAll(ref store, taken);

                Expect.Equal((nuint)0, store.DiscardIfUnused());
                for (int i = 0; i < 30; i++)
                    Expect.Equal((ulong)i + 100, Magazine.Slots((Magazine*)held)[i]);
                List<nuint> again = TakeMany(ref store, taken.Count, 30);
                Expect.Equal(taken.Order(), again.Order());

                store.Give((Magazine*)held);
                GiveAll(ref store, again);
                Expect.Equal(store.MappedBytes, store.DiscardIfUnused());
                Expect.Equal((nuint)0, store.DiscardIfUnused());
            }

            [Fact]
            public void Magazines_whose_memory_the_kernel_would_not_discard_work_all_the_same()
            {
                using var kernel = new FaultyKernel();
                MagazineStore store = default;
                List<nuint> taken = TakeMany(ref store, PerGrowth, 124);
                foreach (nuint magazine in taken)
                    new Span<ulong>(Magazine.Slots((Magazine*)magazine), 124).Fill(0xABCD_EF00);
                GiveAll(ref store, taken);
                kernel.Begin(new Fault(CallKind.Madvise, 1, Failure.Invalid, Lasts: true));
                Expect.Equal((nuint)0, store.DiscardIfUnused());
                kernel.Clear();
                Expect.Equal(taken.Order(), TakeMany(ref store, PerGrowth, 33).Order());
            }

            [NotOnWindows("magazines stay committed.")]
            [Fact]
            public void Discarding_while_threads_take_and_give_doubles_none_and_makes_no_more_than_were_out_at_once()
            {
                const int threads = 4, mostHeld = 16;
                MagazineStore store = default;
                nuint shared = (nuint)(&store);
                int working = threads;
                Crew.Run(threads + 1, number =>
                {
                    MagazineStore* common = (MagazineStore*)shared;
                    if (number == threads)
                    {
                        while (Volatile.Read(ref working) > 0)
                            common->DiscardIfUnused();
                        return;
                    }

                    Random random = new Random(number);
                    Stack<nuint> held = [];
                    for (int step = 0; step < 100_000; step++)
                    {
                        if (held.Count > 0 && (held.Count == mostHeld || random.Next(2) == 0))
                        {
                            nuint magazine = held.Pop();
                            Expect.Equal((ulong)number, *Magazine.Slots((Magazine*)magazine));
                            common->Give((Magazine*)magazine);
                        }
                        else
                        {
                            Magazine* magazine = common->Take(2 + number);
                            Expect.Equal(Magazine.Full, Magazine.Slots(magazine)[2 + number]);
                            *Magazine.Slots(magazine) = (ulong)number;
                            held.Push((nuint)magazine);
                        }
                    }

                    while (held.Count > 0)
                        common->Give((Magazine*)held.Pop());
                    Interlocked.Decrement(ref working);
                });

                Expect.True(store.MappedBytes <= 2 * MagazineStore.GrowBytes,
                    $"{store.MappedBytes} bytes for {threads * mostHeld} magazines");
                store.DiscardIfUnused();
                Expect.Equal(0, CacheInternals.CarvedOf(ref store));
            }

            private static List<nuint> TakeMany(ref MagazineStore store, int count, int capacity)
            {
                List<nuint> taken = [];
                for (int i = 0; i < count; i++)
                {
                    Magazine* magazine = store.Take(capacity);
                    Expect.True(magazine != null);
                    ulong* slots = Magazine.Slots(magazine);
                    Expect.Equal(0UL, slots[-1]);
                    for (int slot = 0; slot <= capacity; slot++)
                        Expect.Equal(slot == capacity, slots[slot] == Magazine.Full);
                    taken.Add((nuint)magazine);
                }

                return taken;
            }

            private static void GiveAll(ref MagazineStore store, List<nuint> magazines)
            {
                foreach (nuint magazine in magazines)
                    store.Give((Magazine*)magazine);
            }

            // Resident pages among those that magazines lie in.
            private static int ResidentPages(List<nuint> magazines) =>
                magazines.Select(magazine => magazine / Window.SlotSize * Window.SlotSize).Distinct()
                    .Sum(area => ResidentMemory.PagesIn(area, area + Window.SlotSize));
        }
    }
}
