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
        // The free blocks that one thread keeps: two magazines for each class, the loaded one and its spare, and what its fast paths need
        // besides. The structure lies in a pinned array, like the root: code that still holds a pointer to it after Destroy may use it.
        // The first eight members are known to the machine code (FastPathCode). Invariants: `_tops[c]` is the top of c's loaded magazine or
        // of the sentinel, always the sentinel for what is no class of blocks that are kept; the spare is a magazine only if the loaded one
        // is.
        internal partial struct ThreadCache
        {
            // The most bytes of free blocks that one thread keeps from the others: two magazines of each class. A test adds them up.
            internal const int MaxBytes = 7 << 20;

            // Where the tops of the spares begin.
            private const int Spare = PageMap.Count;

            // The heap's first window, as PageMap.ClassOf uses it. No pages: every free goes the slow way, which looks again.
            private nuint _windowBase;
            private byte* _pageMap;
            private nuint _pages;

            // The class of the block that was taken last: a guess at that of the block given next. To find a block's class takes two loads
            // that wait for one another; where the guess is right, what is done with the class need not wait for them.
            private nuint _lastTaken;

            // The top of each class's loaded magazine, and behind them all that of its spare.
            private Tops _tops;

            // The window's marks of live blocks and its bytes, where there are marks.
            private byte* _marks;
            private nuint _markedBytes;

            // The block that is not known to be the owner's while the owner reads its mark (MarkReaders); 0: none.
            private nuint _reading;

            // Whose it is.
            internal CacheOwner Owner;

            // The owner's name, where it is kept here; 0: not yet. Nobody else reads it.
            internal long OwnersName;

            // What keeps the owner's id from being another thread's, where that is needed (KernelThreads.Pin); the owner's to write.
            internal nint Pin;

            // Not 0 while a slow path changes magazines: a cache whose owner died then is not trusted.
            private int _changing;

            // Which stack of each depot, and which list of each bin, the owner begins with.
            internal int Home;

            // About how many bytes the owner's frees have brought in that left the fast path, since it last looked at its cache.
            internal int Brought;

            // How many bytes its magazines would hold if they were all full; too much, if a thread died that changed them.
            internal int Room;

            // Bytes that the owner gave the depots, less what it took out, and did not tell them yet.
            private int _deposits;

            // The class whose magazines were emptied last because the cache kept too much.
            private int _shrunk;

            // The gathering that it gives back for, or gave back last, and at how many places it still looks for it.
            internal int Gathering;
            internal int PlacesLeft;

            // The next cache of the heap's list.
            internal ThreadCache* Next;

            // The blocks that the owner freed last and that wait before they are used again, in a hardened heap.
            internal Quarantine Quarantine;

            private static ulong* TopsOf(ThreadCache* cache) => &cache->_tops.First;

            // Takes a block from the loaded magazine of a class. Null: it has none, or one to be marked that lies in a later window.
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

            // The same for a size; null for one that no cache keeps, too.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void* TryTakeSized(ThreadCache* cache, nuint size) =>
                size > SizeClasses.MaxTableSize ? TryTakeLarge(cache, size) : TryTake(cache, SizeClasses.OfTable(size));

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void* TryTakeLarge(ThreadCache* cache, nuint size) =>
                size <= SizeClasses.MaxCachedSize
                    ? TryTake(
                        cache,
                        (nuint)(size <= SizeClasses.MaxSize ? SizeClasses.Of(size) : PageMap.KeptRunOf(Segment.PagesFor(size))))
                    : null;

            // Takes a block from the loaded magazine of a class or, where that has none, from the spare, the depot or the slabs.
            // Returns: the block; 0: no memory is to be had, or, of a class of page runs, none is kept.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint TakeAnyhow(ThreadCache* cache, int sizeClass)
            {
                nuint block = TakeLoaded(cache, sizeClass);
                return block != 0 ? block : TakeSlowly(cache, sizeClass);
            }

            // Puts a block into the loaded magazine of its class. False: that is full, the block is of no class that is kept, or it is no
            // live one: unmarked or, where nothing is marked, on top of the magazine already.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryGive(ThreadCache* cache, void* block)
            {
                nuint page = unchecked((nuint)block - cache->_windowBase) >> Window.PageShift;
                if (page >= cache->_pages)
                    return false;

                return ChecksBoundaries ? TryGiveMarked(cache, page, block) : TryGiveUnmarked(cache, page, block);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryGiveUnmarked(ThreadCache* cache, nuint page, void* block)
            {
                // Not one call with either class: the processor is to go on with its guess before the page map has answered.
                nuint pageClass = ClrVolatile.Read(ref cache->_pageMap[page]);
                nuint guess = cache->_lastTaken;
                return pageClass == guess ? TryPushUnmarked(cache, guess, block) : TryPushUnmarked(cache, pageClass, block);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryGiveMarked(ThreadCache* cache, nuint page, void* block)
            {
                BeginReading(cache, (nuint)block);
                nuint pageClass = ClrVolatile.Read(ref cache->_pageMap[page]);
                nuint guess = cache->_lastTaken;
                return pageClass == guess ? TryPushMarked(cache, guess, block) : TryPushMarked(cache, pageClass, block);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void BeginReading(ThreadCache* cache, nuint block) => ClrVolatile.Write(ref cache->_reading, block);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void EndReading(ThreadCache* cache) => ClrVolatile.Write(ref cache->_reading, 0);

            // The address that the owner reads about; 0: it does not read.
            internal static nuint ReadAt(ThreadCache* cache) => ClrVolatile.Read(ref cache->_reading);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryPushUnmarked(ThreadCache* cache, nuint pageClass, void* block)
            {
                ulong* top = (ulong*)TopsOf(cache)[pageClass];
                if (*top == Magazine.Full || *(top - 1) == (ulong)block)
                    return false;

                *top = (ulong)block;
                TopsOf(cache)[pageClass] = unchecked((ulong)(top + 1));
                return true;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryPushMarked(ThreadCache* cache, nuint pageClass, void* block)
            {
                ulong* top = (ulong*)TopsOf(cache)[pageClass];
                if (*top == Magazine.Full || !TryUnmark(cache, (nuint)block))
                {
                    EndReading(cache);
                    return false;
                }

                EndReading(cache);
                *top = (ulong)block;
                TopsOf(cache)[pageClass] = unchecked((ulong)(top + 1));
                return true;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static nuint TakeLoaded(ThreadCache* cache, int sizeClass)
            {
                ulong* top = (ulong*)TopsOf(cache)[sizeClass] - 1;
                nuint block = (nuint)(*top);
                if (block != 0)
                    TopsOf(cache)[sizeClass] = (ulong)top;
                LiveMarks.SetIfChecked(block);
                return block;
            }

            // Marks a block of the first window live. False: it lies in another.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryMark(ThreadCache* cache, nuint block)
            {
                nuint offset = unchecked(block - cache->_windowBase);
                if (offset >= cache->_markedBytes)
                    return false;

                ClrVolatile.Write(ref cache->_marks[offset / SizeClasses.Granularity], LiveMarks.Live);
                return true;
            }

            // Takes the mark off a block in a page of the first window. False: no live block begins there.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryUnmark(ThreadCache* cache, nuint block)
            {
                ref byte mark = ref cache->_marks[unchecked(block - cache->_windowBase) / SizeClasses.Granularity];
                if (ClrVolatile.Read(ref mark) != LiveMarks.Live || block % SizeClasses.Granularity != 0)
                    return false;

                ClrVolatile.Write(ref mark, 0);
                return true;
            }

            private static bool IsSentinel(ulong top) => top == SmallBlocks.SentinelTop;

            // So many words as an array. A buffer of the language's own costs an assembly 150 bytes more.
            [ClrStructLayout(ClrLayoutKind.Sequential, Size = (Spare + PageMap.Count) * sizeof(ulong))]
            private struct Tops
            {
                internal ulong First;
            }
        }
    }
}
