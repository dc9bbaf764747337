using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class DepotTests : HeapTest
        {
            public static TheoryData<int> SomeClasses => [1, 4, 8, 16, 24, 32, 33, 48, 64, 65, SizeClasses.Count];

            [Fact]
            public void The_depot_of_every_class_keeps_as_many_magazines_as_MaxBytes_allows_and_no_more()
            {
                using var magazines = new LooseMagazines(Depot.MaxBytes / 16 / Magazine.MaxCapacity + 2);
                nuint total = 0;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    Depot depot = default;
                    depot.Initialize(sizeClass);
                    Expect.Equal(Magazine.CapacityOf(size), depot.Capacity);
                    int count = 0;
                    while (depot.TryGive(magazines[count], home: sizeClass))
                        count++;

                    nuint magazineBytes = (nuint)depot.Capacity * size;
                    Expect.Equal((nuint)count * magazineBytes, (nuint)depot.CachedBytes);
                    Expect.True((nuint)count * magazineBytes <= Depot.MaxBytes, $"size {size}: {count} magazines of {depot.Capacity}");
                    Expect.True((nuint)(count + 1) * magazineBytes > Depot.MaxBytes, $"size {size}: {count} magazines of {depot.Capacity}");
                    total += (nuint)count * magazineBytes;
                    HashSet<nuint> taken = [];
                    for (int i = 0; i < count; i++)
                        taken.Add((nuint)depot.TryTake(home: i));
                    Expect.Equal(Enumerable.Range(0, count).Select(i => (nuint)magazines[i]).Order(), taken.Order());
                    Expect.True(depot.TryTake(home: 0) == null);
                    Expect.Equal((nuint)0, (nuint)depot.CachedBytes);
                }

                Expect.True(total <= 38 << 20, $"all depots: {total} bytes");
            }

            [Fact]
            public void A_thread_gets_its_own_magazines_back_last_given_first_and_others_when_it_has_none()
            {
                using var magazines = new LooseMagazines(6);
                Depot depot = default;
                depot.Initialize(SizeClasses.Of(512));
                for (int i = 0; i < 6; i++)
                    Expect.True(depot.TryGive(magazines[i], home: i % 2));

                foreach (int expected in new[] { 4, 2, 0, 5, 3, 1 })
                    Expect.Equal((nuint)magazines[expected], (nuint)depot.TryTake(home: 0));
                Expect.True(depot.TryTake(home: 0) == null);
            }

            [Theory]
            [MemberData(nameof(SomeClasses))]
            public void Flushing_gives_every_block_to_its_slab_and_every_magazine_to_the_store(int sizeClass)
            {
                Depot* depot = SmallBlocks.DepotOf(sizeClass);
                Bin* bin = Bin.Of(sizeClass);
                ref MagazineStore store = ref Small->Magazines;
                HashSet<nuint> given = [];
                while (true)
                {
                    Magazine* magazine = store.Take(depot->Capacity);
                    Fill(bin, magazine, depot->Capacity);
                    given.Add((nuint)magazine);
                    if (!depot->TryGive(magazine, home: given.Count))
                    {
                        bin->FreeMany(Magazine.Slots(magazine), depot->Capacity, givingIsHeld: false);
                        store.Give(magazine);
                        break;
                    }
                }

                Expect.Equal((given.Count - 1) * depot->Capacity, bin->Live);
                HeapStatistics s = GetStatistics();
                Expect.Equal((nuint)bin->Live * SizeClasses.SizeOf(sizeClass), (nuint)s.CachedBytes);
                Expect.Equal((nuint)0, (nuint)s.InUseBytes);
                AssertStatisticsAddUp();

                int magazines = int.MaxValue;
                Giving->Acquire();
                depot->Flush(sizeClass, ref magazines);
                Giving->Release();
                Expect.Equal(0, bin->Live);
                Expect.True(depot->TryTake(home: 0) == null);
                Expect.Equal((nuint)0, (nuint)GetStatistics().CachedBytes);
                HashSet<nuint> again = [];
                for (int i = 0; i < given.Count; i++)
                    again.Add((nuint)store.Take(depot->Capacity));
                Expect.True(given.SetEquals(again));
            }

            [Fact]
            public void Threads_that_exchange_full_magazines_lose_no_block_and_double_none()
            {
                const int threads = 4;
                nuint size = 512;
                int sizeClass = SizeClasses.Of(size);
                int capacity = SmallBlocks.DepotOf(sizeClass)->Capacity;
                Bin* shared = Bin.Of(sizeClass);
                nuint bin = (nuint)shared;
                Crew.Run(threads, seed =>
                {
                    Random random = new Random(seed);
                    List<nuint> held = [];
                    for (int step = 0; step < 20_000; step++)
                    {
                        Magazine* magazine = random.Next(2) == 0 ? SmallBlocks.DepotOf(sizeClass)->TryTake(seed) : null;
                        if (magazine != null)
                            CheckAndStamp(magazine, capacity, (ulong)(seed * 100_000 + step), check: true);
                        else if (held.Count < 6)
                            CheckAndStamp(magazine = NewMagazine((Bin*)bin, capacity), capacity, (ulong)(seed * 100_000 + step),
                                check: false);
                        if (magazine != null)
                            held.Add((nuint)magazine);
                        if (held.Count == 0 || (held.Count < 6 && random.Next(2) == 0))
                            continue;

                        int index = random.Next(held.Count);
                        magazine = (Magazine*)held[index];
                        held.RemoveAt(index);
                        if (!SmallBlocks.DepotOf(sizeClass)->TryGive(magazine, seed))
                            Return((Bin*)bin, magazine, capacity);
                    }

                    held.ForEach(magazine => Return((Bin*)bin, (Magazine*)magazine, capacity));
                });

                nuint most = (nuint)(Depot.MaxBytes + (threads - 1) * capacity * (int)size);
                Expect.True(CacheInternals.InDepot(size) <= most, $"{CacheInternals.InDepot(size)} bytes in the depot");
                int magazines = int.MaxValue;
                Giving->Acquire();
                SmallBlocks.DepotOf(sizeClass)->Flush(sizeClass, ref magazines);
                Giving->Release();
                Expect.Equal(0, shared->Live);
            }

            private static Magazine* NewMagazine(Bin* bin, int capacity)
            {
                Magazine* magazine = Small->Magazines.Take(capacity);
                Fill(bin, magazine, capacity);
                return magazine;
            }

            private static void Fill(Bin* bin, Magazine* magazine, int capacity)
            {
                int taken = 0;
                while (taken < capacity)
                    taken += bin->AllocateMany(Magazine.Slots(magazine) + taken, capacity - taken, home: 0, mayMap: true);
            }

            private static void Return(Bin* bin, Magazine* magazine, int capacity)
            {
                bin->FreeMany(Magazine.Slots(magazine), capacity, givingIsHeld: false);
                Small->Magazines.Give(magazine);
            }

            // All blocks of a magazine carry what its last holder wrote; then they carry a new mark.
            private static void CheckAndStamp(Magazine* magazine, int capacity, ulong mark, bool check)
            {
                ulong former = **(ulong**)Magazine.Slots(magazine);
                for (int i = 0; i < capacity; i++)
                {
                    ulong* block = (ulong*)Magazine.Slots(magazine)[i];
                    Expect.True(!check || *block == former, $"block {i} of {capacity} carries {*block}, the first one {former}");
                    *block = mark;
                }
            }
        }
    }
}
