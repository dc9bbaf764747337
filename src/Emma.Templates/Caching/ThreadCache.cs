namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>
        /// The free blocks that one thread keeps: two magazines for each class, the loaded one and its spare, and what its fast paths need besides.
        /// The structure lies in a pinned array, like the root: code that still holds a pointer to it after Destroy may use it.
        /// </summary>
        /// <remarks>
        /// The first seven members are known to the machine code (FastPathCode). Invariants: `_tops[c]` is the top of c's loaded magazine or of the sentinel,
        /// always the sentinel for what is no class of blocks that are kept; the spare is a magazine only if the loaded one is.
        /// </remarks>
        internal partial struct ThreadCache
        {
            /// <summary>
            /// The most bytes of free blocks that one thread keeps from the others: two magazines of each class. A test adds them up.
            /// </summary>
            internal const int MaxBytes = 7 << 20;

            /// <summary>Where the tops of the spares begin.</summary>
            private const int Spare = PageMap.Count;

            /// <summary>How many blocks a thread's first magazine of a class is filled with; every time it runs dry again, twice as many.</summary>
            private const int FirstRefill = 8;

            /// <summary>Blocks below this size, two cache lines, are likely to share one with a neighbour.</summary>
            private const nuint SharesLines = 128;

            // The heap's first window, as PageMap.ClassOf uses it. No pages: every free goes the slow way, which looks again.
            private nuint _windowBase;
            private byte* _pageMap;
            private nuint _pages;

            /// <summary>
            /// The class of the block that was taken last: a guess at that of the block given next. To find a block's class takes two loads that wait for one another; where the guess
            /// is right, what is done with the class need not wait for them.
            /// </summary>
            private nuint _lastTaken;

            /// <summary>The top of each class's loaded magazine, and behind them all that of its spare.</summary>
            private Tops _tops;

            // The window's marks of live blocks and its bytes, where there are marks.
            private byte* _marks;
            private nuint _markedBytes;

            /// <summary>Whose it is.</summary>
            internal CacheOwner Owner;

            /// <summary>Not 0 while a slow path changes magazines: a cache whose owner died then is not trusted.</summary>
            private int _changing;

            /// <summary>Which stack of each depot, and which list of each bin, the owner begins with.</summary>
            internal int Home;

            /// <summary>The next cache of the heap's list.</summary>
            internal ThreadCache* Next;

            /// <summary>The blocks that the owner freed last and that wait before they are used again, in a hardened heap.</summary>
            internal Quarantine Quarantine;

            private static ulong* TopsOf(ThreadCache* cache) => &cache->_tops.First;

            /// <summary>Takes a block from the loaded magazine of a class. Null: it has none, or one to be marked that lies in a later window.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void* TryTake(ThreadCache* cache, nuint sizeClass)
            {
                ulong* top = unchecked((ulong*)TopsOf(cache)[sizeClass] - 1);
                void* block = (void*)*top;
                if (block == null || (ChecksBoundaries && !TryMark(cache, (nuint)block)))
                    return null;

                TopsOf(cache)[sizeClass] = (ulong)top;
                cache->_lastTaken = sizeClass;
                return block;
            }

            /// <summary>The same for a size; null for one that no cache keeps, too.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void* TryTakeSized(ThreadCache* cache, nuint size) =>
                size > SizeClasses.MaxTableSize ? TryTakeLarge(cache, size) : TryTake(cache, SizeClasses.OfTable(size));

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining | ClrMethodImplOptions.AggressiveOptimization)]
            private static void* TryTakeLarge(ThreadCache* cache, nuint size) =>
                size <= SizeClasses.MaxCachedSize
                    ? TryTake(cache, (nuint)(size <= SizeClasses.MaxSize ? SizeClasses.Of(size) : PageMap.RunOf(PagesFor(size))))
                    : null;

            /// <summary>Takes a block from the loaded magazine of a class or, where that has none, from the spare, the depot or the slabs.</summary>
            /// <returns>The block; 0: no memory is to be had, or, of a class of page runs, none is kept.</returns>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            internal static nuint TakeAnyhow(ThreadCache* cache, int sizeClass)
            {
                nuint block = TakeLoaded(cache, sizeClass);
                return block != 0 ? block : TakeSlowly(cache, sizeClass);
            }

            /// <summary>Puts a block into the loaded magazine of its class. False: that is full, or the block is of no class that is kept.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryGive(ThreadCache* cache, void* block)
            {
                nuint page = unchecked((nuint)block - cache->_windowBase) >> Window.PageShift;
                if (page >= cache->_pages)
                    return false;

                // Not one call with either class: the processor is to go on with its guess before the page map has answered.
                nuint pageClass = ClrVolatile.Read(ref cache->_pageMap[page]);
                nuint guess = cache->_lastTaken;
                return pageClass == guess ? TryPush(cache, guess, block) : TryPush(cache, pageClass, block);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryPush(ThreadCache* cache, nuint pageClass, void* block)
            {
                ulong* top = (ulong*)TopsOf(cache)[pageClass];
                if (*top == Magazine.Full || (ChecksBoundaries && !TryUnmark(cache, (nuint)block)))
                    return false;

                *top = (ulong)block;
                TopsOf(cache)[pageClass] = unchecked((ulong)(top + 1));
                return true;
            }

            private static nuint TakeLoaded(ThreadCache* cache, int sizeClass)
            {
                ulong* top = (ulong*)TopsOf(cache)[sizeClass] - 1;
                nuint block = (nuint)(*top);
                if (block != 0)
                    TopsOf(cache)[sizeClass] = (ulong)top;
                LiveMarks.SetIfChecked(block);
                return block;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static nuint TakeSlowly(ThreadCache* cache, int sizeClass)
            {
                ClrVolatile.Write(ref cache->_changing, 1);
                LookAtWindow(cache);
                nuint alone = 0;
                if (HasBlocks(TopsOf(cache)[Spare + sizeClass]))
                    Exchange(cache, sizeClass);
                else if (!TryLoadFull(cache, sizeClass) && PageMap.IsSmall(sizeClass) && !TryRefill(cache, sizeClass))
                    HeapState.Root->Small.FromSlabs(sizeClass, (ulong*)&alone, 1, cache->Home);
                ClrVolatile.Write(ref cache->_changing, 0);

                if (alone == 0)
                    return TakeLoaded(cache, sizeClass);
                LiveMarks.SetIfChecked(alone);
                return alone;
            }

            /// <summary>Takes a block of a class in, by way of the spare or the depot if the loaded magazine is full. It is marked live no more.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            internal static void GiveSlowly(ThreadCache* cache, int sizeClass, nuint block)
            {
                ClrVolatile.Write(ref cache->_changing, 1);
                LookAtWindow(cache);
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
            }

            /// <summary>Gives the slabs and segments every block and the store every magazine. The caller holds the lock of giving back.</summary>
            /// <returns>Bytes unmapped.</returns>
            internal static nuint Empty(ThreadCache* cache)
            {
                nuint unmapped = 0;
                ClrVolatile.Write(ref cache->_changing, 1);
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    ulong loaded = TopsOf(cache)[sizeClass];
                    ulong spare = TopsOf(cache)[Spare + sizeClass];
                    ResetClass(cache, sizeClass);
                    unmapped += Return(loaded, sizeClass) + Return(spare, sizeClass);
                }

                unmapped += cache->Quarantine.Empty();
                ClrVolatile.Write(ref cache->_changing, 0);
                return unmapped;
            }

            /// <summary>Empties the cache of a dead thread. What it was changing when it died is left alone: no block is handed out twice.</summary>
            /// <returns>Bytes unmapped.</returns>
            internal static nuint EmptyDead(ThreadCache* cache)
            {
                if (ClrVolatile.Read(ref cache->_changing) == 0)
                    return Empty(cache);

                Reset(cache, SmallBlocks.SentinelTop);
                return 0;
            }

            /// <summary>Makes a dead thread's cache its new owner's, magazines and all, unless the dead one was changing them.</summary>
            internal static ThreadCache* TakenOver(ThreadCache* cache)
            {
                if (ClrVolatile.Read(ref cache->_changing) != 0)
                    Reset(cache, SmallBlocks.SentinelTop);
                return cache;
            }

            /// <summary>Makes the cache one without magazines, whatever it had.</summary>
            internal static void Reset(ThreadCache* cache, ulong sentinel)
            {
                ClrVolatile.Write(ref cache->_pages, 0);
                cache->_markedBytes = 0;
                for (int i = 0; i < Spare + PageMap.Count; i++)
                    TopsOf(cache)[i] = sentinel;

                cache->Quarantine.Reset();
                ClrVolatile.Write(ref cache->_changing, 0);
            }

            /// <summary>Bytes of the blocks it keeps; about, if its owner allocates or frees meanwhile.</summary>
            internal static nuint CachedBytes(ThreadCache* cache)
            {
                nuint bytes = cache->Quarantine.Bytes;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    int blocks = CountAt(ClrVolatile.Read(ref TopsOf(cache)[sizeClass])) + CountAt(ClrVolatile.Read(ref TopsOf(cache)[Spare + sizeClass]));
                    bytes += (nuint)blocks * SizeClasses.SizeOf(sizeClass);
                }

                return bytes;
            }

            internal static ulong Fingerprint(ThreadCache* cache)
            {
                ulong fingerprint = cache->Quarantine.Fingerprint;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    ulong tops = unchecked(ClrVolatile.Read(ref TopsOf(cache)[sizeClass]) * 31 + ClrVolatile.Read(ref TopsOf(cache)[Spare + sizeClass]));
                    fingerprint = unchecked(fingerprint * 31 + tops);
                }

                return fingerprint;
            }

            /// <summary>Marks a block of the first window live. False: it lies in another.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryMark(ThreadCache* cache, nuint block)
            {
                nuint offset = unchecked(block - cache->_windowBase);
                if (offset >= cache->_markedBytes)
                    return false;

                ClrVolatile.Write(ref cache->_marks[offset / SizeClasses.Granularity], LiveMarks.Live);
                return true;
            }

            /// <summary>Takes the mark off a block in a page of the first window. False: no live block begins there.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryUnmark(ThreadCache* cache, nuint block)
            {
                ref byte mark = ref cache->_marks[unchecked(block - cache->_windowBase) / SizeClasses.Granularity];
                if (ClrVolatile.Read(ref mark) != LiveMarks.Live || block % SizeClasses.Granularity != 0)
                    return false;

                ClrVolatile.Write(ref mark, 0);
                return true;
            }

            private static bool HasBlocks(ulong top) => *((ulong*)top - 1) != 0;

            private static bool IsFull(ulong top) => *(ulong*)top == Magazine.Full;

            private static bool IsSentinel(ulong top) => top == SmallBlocks.SentinelTop;

            private static int CountAt(ulong top) => IsSentinel(top) ? 0 : Magazine.CountAt(top);

            /// <summary>Copies what finds the class of a block; another thread may have mapped the window since, or Destroy unmapped it.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static void LookAtWindow(ThreadCache* cache)
            {
                ref AddressSpace space = ref HeapState.Root->Space;
                nuint pages = ClrVolatile.Read(ref space.FirstPages);
                if (pages == cache->_pages)
                    return;

                cache->_windowBase = space.FirstBase;
                cache->_pageMap = space.FirstPageMap;
                cache->_marks = space.FirstMarks;
                cache->_markedBytes = space.FirstMarks == null ? 0 : pages << Window.PageShift;
                cache->_pages = pages;
            }

            private static void Exchange(ThreadCache* cache, int sizeClass)
            {
                ulong loaded = TopsOf(cache)[sizeClass];
                TopsOf(cache)[sizeClass] = TopsOf(cache)[Spare + sizeClass];
                TopsOf(cache)[Spare + sizeClass] = loaded;
            }

            /// <summary>Loads a full magazine of the depot; the empty one that was loaded becomes the spare.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static bool TryLoadFull(ThreadCache* cache, int sizeClass)
            {
                Depot* depot = SmallBlocks.DepotOf(sizeClass);
                Magazine* full = depot->TryTake(cache->Home);
                if (full == null)
                    return false;

                ulong spare = TopsOf(cache)[Spare + sizeClass];
                if (!IsSentinel(TopsOf(cache)[sizeClass]))
                {
                    TopsOf(cache)[Spare + sizeClass] = TopsOf(cache)[sizeClass];
                    if (!IsSentinel(spare))
                        HeapState.Root->Small.Magazines.Give(Magazine.Of(spare));
                }

                TopsOf(cache)[sizeClass] = Magazine.TopAt(full, depot->Capacity);
                return true;
            }

            /// <summary>Fills the loaded magazine, or a new one, from the slabs. False: there is no memory for one, or none for a block.</summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static bool TryRefill(ThreadCache* cache, int sizeClass)
            {
                int capacity = SmallBlocks.DepotOf(sizeClass)->Capacity;
                bool isFirst = IsSentinel(TopsOf(cache)[sizeClass]);
                Magazine* magazine = isFirst ? HeapState.Root->Small.Magazines.Take(capacity) : Magazine.Of(TopsOf(cache)[sizeClass]);
                if (magazine == null)
                    return false;

                // One that frees have filled, not slabs, says that many blocks are in use.
                int wanted = isFirst ? FirstRefill : magazine->Filled * 2;
                if (wanted > capacity || wanted == 0)
                    wanted = capacity;
                magazine->Filled = (short)wanted;
                TopsOf(cache)[sizeClass] = Magazine.TopAt(magazine, 0);
                int count = HeapState.Root->Small.FromSlabs(sizeClass, Magazine.Slots(magazine), wanted, cache->Home);
                TopsOf(cache)[sizeClass] = Magazine.TopAt(magazine, count);
                return count != 0;
            }

            /// <summary>
            /// Puts a few blocks of the slabs above the only one in a magazine. The thread that freed that one had allocated none of its class, so another thread had,
            /// which probably uses its neighbours: if it were handed out next, the two threads would write to one cache line (Berger and others, "Hoard", 2000).
            /// </summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static void Cover(ThreadCache* cache, int sizeClass)
            {
                ulong* top = (ulong*)TopsOf(cache)[sizeClass];
                int count = HeapState.BinOf(sizeClass)->AllocateMany(top, FirstRefill, cache->Home, mayMap: false);
                TopsOf(cache)[sizeClass] = (ulong)(top + count);
            }

            /// <summary>
            /// Has a magazine with room loaded where the loaded one is full: the spare; or an empty one, and a full one goes to the depot or,
            /// where that keeps enough, to slabs or segments. False: there is no memory for a magazine.
            /// </summary>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static bool TryMakeRoom(ThreadCache* cache, int sizeClass)
            {
                if (!IsFull(TopsOf(cache)[Spare + sizeClass]))
                {
                    Exchange(cache, sizeClass);
                    return true;
                }

                // Full and sentinel, or full and full, or the sentinel twice.
                Depot* depot = SmallBlocks.DepotOf(sizeClass);
                ref MagazineStore store = ref HeapState.Root->Small.Magazines;
                ulong spare = TopsOf(cache)[Spare + sizeClass];
                Magazine* empty;
                if (IsSentinel(spare))
                {
                    empty = store.Take(depot->Capacity);
                }
                else if (depot->TryGive(Magazine.Of(spare), cache->Home))
                {
                    TopsOf(cache)[Spare + sizeClass] = SmallBlocks.SentinelTop;
                    empty = store.Take(depot->Capacity);
                }
                else
                {
                    empty = Magazine.Of(spare);
                    SmallBlocks.FreeMany(sizeClass, Magazine.Slots(empty), depot->Capacity, givingIsHeld: false);
                }

                if (empty == null)
                    return false;

                TopsOf(cache)[Spare + sizeClass] = TopsOf(cache)[sizeClass];
                TopsOf(cache)[sizeClass] = Magazine.TopAt(empty, 0);
                return true;
            }

            private static void ResetClass(ThreadCache* cache, int sizeClass)
            {
                TopsOf(cache)[sizeClass] = SmallBlocks.SentinelTop;
                TopsOf(cache)[Spare + sizeClass] = SmallBlocks.SentinelTop;
            }

            private static nuint Return(ulong top, int sizeClass)
            {
                if (IsSentinel(top))
                    return 0;

                Magazine* magazine = Magazine.Of(top);
                nuint unmapped = SmallBlocks.FreeMany(sizeClass, Magazine.Slots(magazine), Magazine.CountAt(top), givingIsHeld: true);
                HeapState.Root->Small.Magazines.Give(magazine);
                return unmapped;
            }

            /// <summary>So many words as an array. A buffer of the language's own costs an assembly 150 bytes more.</summary>
            [ClrStructLayout(ClrLayoutKind.Sequential, Size = (Spare + PageMap.Count) * sizeof(ulong))]
            private struct Tops
            {
                internal ulong First;
            }
        }
    }
}
