namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The slow half: magazines are exchanged with the spare, the depot and the slabs. `_changing` is set meanwhile.
        internal partial struct ThreadCache
        {
            // How many blocks a thread's first magazine of a class is filled with; every time it runs dry again, twice as many.
            private const int FirstRefill = 8;

            // What a cache gave the depots and took out is told them in pieces of so many bytes.
            private const int DepositStep = 256 * 1024;

            // Blocks below this size, two cache lines, are likely to share one with a neighbour.
            private const nuint SharesLines = 128;

            private static nuint TakeSlowly(ThreadCache* cache, int sizeClass)
            {
                ClrVolatile.Write(ref cache->_changing, 1);
                LookAtWindow(cache);
                nuint alone = 0;
                if (HasBlocks(TopsOf(cache)[Spare + sizeClass]))
                    Exchange(cache, sizeClass);
                else if (!TryLoadFull(cache, sizeClass) && PageMap.IsSmall(sizeClass) && !TryRefill(cache, sizeClass))
                    Small->FromSlabs(sizeClass, (ulong*)&alone, 1, cache->Home);
                ClrVolatile.Write(ref cache->_changing, 0);

                if (alone == 0)
                    return TakeLoaded(cache, sizeClass);
                LiveMarks.SetIfChecked(alone);
                return alone;
            }

            // Takes a block of a class in, by way of the spare or the depot if the loaded magazine is full. It is marked live no more.
            // False: it is the last block of the class that this thread has freed, and is here still.
            internal static bool GiveSlowly(ThreadCache* cache, int sizeClass, nuint block)
            {
                if (!ChecksBoundaries && WasJustFreed(TopsOf(cache)[sizeClass], block))
                    return false;

                ClrVolatile.Write(ref cache->_changing, 1);
                if (cache->Brought < SmallBlocks.BytesPerLook)
                    cache->Brought += SmallBlocks.DepotOf(sizeClass)->MagazineBytes / 2 << ClrVolatile.Read(ref Small->LooksShift);
                LookAtWindow(cache);
                Uncover(TopsOf(cache)[sizeClass]);
                bool hadNone = IsSentinel(TopsOf(cache)[sizeClass]);
                if (!IsFull(TopsOf(cache)[sizeClass]) || TryMakeRoom(cache, sizeClass))
                {
                    ulong* top = (ulong*)TopsOf(cache)[sizeClass];
                    *top = block;
                    TopsOf(cache)[sizeClass] = (ulong)(top + 1);
                    if (hadNone && SizeClasses.SizeOf(sizeClass) < SharesLines)
                        Cover(cache, sizeClass);
                }
                else
                {
                    ulong alone = block;
                    SmallBlocks.FreeMany(sizeClass, &alone, 1, givingIsHeld: false);
                }

                ClrVolatile.Write(ref cache->_changing, 0);
                return true;
            }

            // Whether a block is the last that came into a magazine: that on top, or the lowest where others cover it.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool WasJustFreed(ulong top, nuint block) =>
                *((ulong*)top - 1) == block || (IsCovered(top) && *Magazine.Slots(Magazine.Of(top)) == block);

            private static bool HasBlocks(ulong top) => *((ulong*)top - 1) != 0;

            private static bool IsFull(ulong top) => *(ulong*)top == Magazine.Full;

            // Copies what finds the class of a block; another thread may have mapped the window since, or Destroy unmapped it.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void LookAtWindow(ThreadCache* cache)
            {
                ref AddressSpace space = ref *Space;
                nuint pages = ClrVolatile.Read(ref space.FirstPages);
                if (pages == cache->_pages)
                    return;

                cache->_windowBase = space.FirstBase;
                cache->_pageMap = space.FirstPageMap;
                cache->_marks = space.FirstMarks;
                cache->_markedBytes = space.FirstMarks == null ? 0 : pages << Window.PageShift;
                cache->_pages = pages;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void Exchange(ThreadCache* cache, int sizeClass)
            {
                ulong loaded = TopsOf(cache)[sizeClass];
                TopsOf(cache)[sizeClass] = TopsOf(cache)[Spare + sizeClass];
                TopsOf(cache)[Spare + sizeClass] = loaded;
            }

            // Loads a full magazine of the depot; the empty one that was loaded becomes the spare.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryLoadFull(ThreadCache* cache, int sizeClass)
            {
                Depot* depot = SmallBlocks.DepotOf(sizeClass);
                Magazine* full = depot->TryTake(cache->Home);
                if (full == null)
                    return false;

                CountDeposit(cache, -depot->MagazineBytes);
                ulong spare = TopsOf(cache)[Spare + sizeClass];
                if (IsSentinel(spare))
                    cache->Room += depot->MagazineBytes;
                if (!IsSentinel(TopsOf(cache)[sizeClass]))
                {
                    TopsOf(cache)[Spare + sizeClass] = TopsOf(cache)[sizeClass];
                    if (!IsSentinel(spare))
                        Small->Magazines.Give(Magazine.Of(spare));
                }

                TopsOf(cache)[sizeClass] = Magazine.TopAt(full, depot->Capacity);
                return true;
            }

            // Counts bytes that the owner has given the depots, or taken out. The depots are told in large pieces, so that threads seldom
            // write to one word.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void CountDeposit(ThreadCache* cache, int bytes)
            {
                cache->_deposits += bytes;
                if (cache->_deposits is >= DepositStep or <= -DepositStep)
                    TellDeposits(cache);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void TellDeposits(ThreadCache* cache)
            {
                Small->CountDeposits(cache->_deposits);
                cache->_deposits = 0;
            }

            // Fills the loaded magazine, or a new one, from the slabs. False: there is no memory for one, or none for a block.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryRefill(ThreadCache* cache, int sizeClass)
            {
                int capacity = SmallBlocks.DepotOf(sizeClass)->Capacity;
                bool isFirst = IsSentinel(TopsOf(cache)[sizeClass]);
                Magazine* magazine = isFirst ? Small->Magazines.Take(capacity) : Magazine.Of(TopsOf(cache)[sizeClass]);
                if (magazine == null)
                    return false;

                if (isFirst)
                    cache->Room += SmallBlocks.DepotOf(sizeClass)->MagazineBytes;
                // One that frees have filled, not slabs, says that many blocks are in use.
                int wanted = isFirst ? FirstRefill : magazine->Filled * 2;
                if (wanted > capacity || wanted == 0)
                    wanted = capacity;
                magazine->Filled = (short)wanted;
                TopsOf(cache)[sizeClass] = Magazine.TopAt(magazine, 0);
                int count = Small->FromSlabs(sizeClass, Magazine.Slots(magazine), wanted, cache->Home);
                TopsOf(cache)[sizeClass] = Magazine.TopAt(magazine, count);
                return count != 0;
            }

            // Puts a few blocks of the slabs above the only one in a magazine. The thread that freed that one had allocated none of its
            // class, so another thread had, which probably uses its neighbours: if it were handed out next, the two threads would write to
            // one cache line (Berger and others, "Hoard", 2000). Where that freed block is not on top, the magazine seems full, so that the
            // next block that is freed comes by GiveSlowly, which finds it if it is the same.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void Cover(ThreadCache* cache, int sizeClass)
            {
                ulong* top = (ulong*)TopsOf(cache)[sizeClass];
                int count = Bin.Of(sizeClass)->AllocateMany(top, FirstRefill, cache->Home, mayMap: false);
                TopsOf(cache)[sizeClass] = (ulong)(top + count);
                if (!ChecksBoundaries && count != 0)
                    top[count] = Magazine.Full;
            }

            // Whether a magazine seems full because of `Cover`.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool IsCovered(ulong top) =>
                IsFull(top) && !IsSentinel(top) && Magazine.CountAt(top) != Magazine.CapacityAt(top);

            private static void Uncover(ulong top)
            {
                if (IsCovered(top))
                    *(ulong*)top = 0;
            }

            // Has a magazine with room loaded where the loaded one is full: the spare; or an empty one, and a full one goes to the depot
            // or, where that keeps enough, to slabs or segments. False: there is no memory for a magazine.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryMakeRoom(ThreadCache* cache, int sizeClass)
            {
                if (!IsFull(TopsOf(cache)[Spare + sizeClass]))
                {
                    Exchange(cache, sizeClass);
                    return true;
                }

                // Full and sentinel, or full and full, or the sentinel twice.
                Depot* depot = SmallBlocks.DepotOf(sizeClass);
                ref MagazineStore store = ref Small->Magazines;
                ulong spare = TopsOf(cache)[Spare + sizeClass];
                Magazine* empty;
                if (IsSentinel(spare))
                {
                    empty = store.Take(depot->Capacity);
                    cache->Room += depot->MagazineBytes;
                }
                else if (!Small->HasTooMuchInDepots && depot->TryGive(Magazine.Of(spare), cache->Home))
                {
                    CountDeposit(cache, depot->MagazineBytes);
                    TopsOf(cache)[Spare + sizeClass] = SmallBlocks.SentinelTop;
                    empty = store.Take(depot->Capacity);
                }
                else
                {
                    empty = Magazine.Of(spare);
                    SmallBlocks.FreeMany(sizeClass, Magazine.Slots(empty), depot->Capacity, givingIsHeld: false);
                }

                if (empty == null)
                {
                    cache->Room -= depot->MagazineBytes;
                    return false;
                }

                TopsOf(cache)[Spare + sizeClass] = TopsOf(cache)[sizeClass];
                TopsOf(cache)[sizeClass] = Magazine.TopAt(empty, 0);
                return true;
            }
        }
    }
}
