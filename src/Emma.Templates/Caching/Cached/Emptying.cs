namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How a cache is emptied, counted, and changes hands.
        internal partial struct ThreadCache
        {
            // Gives the slabs and segments every block and the store every magazine. The caller holds the lock of giving back.
            // Returns: bytes unmapped.
            internal static nuint Empty(ThreadCache* cache)
            {
                nuint unmapped = 0;
                ClrVolatile.Write(ref cache->_changing, 1);
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    ulong loaded = TopsOf(cache)[sizeClass];
                    ulong spare = TopsOf(cache)[Spare + sizeClass];
                    ResetClass(cache, sizeClass);
                    unmapped += Return(loaded, sizeClass, givingIsHeld: true) + Return(spare, sizeClass, givingIsHeld: true);
                }

                cache->Room = 0;
                unmapped += cache->Quarantine.Empty();
                ClrVolatile.Write(ref cache->_changing, 0);
                return unmapped;
            }

            // To empty a magazine takes as long as to give back so many blocks.
            private const int BlocksPerMagazine = 16;

            // Where a cache is looked for magazines to empty: at all spares, and then at all loaded ones.
            internal const int Places = 2 * SizeClasses.CachedCount;

            // Empties some magazines, spares first, of the caller's cache if it keeps too much. The caller holds no lock.
            // bytes: The most that it may keep, but for a block of each class.
            // blocks: How many blocks go, about, at most.
            // places: At how many it looks, at most; how many more afterwards.
            // gone: How many bytes went.
            // Returns: how many it still keeps.
            internal static long ShrinkTo(ThreadCache* cache, long bytes, int blocks, ref int places, out long gone)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                gone = 0;
                long kept = Measure(cache);
                if (kept <= bytes)
                    return kept;

                ClrVolatile.Write(ref cache->_changing, 1);
                for (; places > 0 && blocks > 0 && kept - gone > bytes; places--)
                {
                    cache->_shrunk = cache->_shrunk >= SizeClasses.CachedCount ? 1 : cache->_shrunk + 1;
                    int sizeClass = cache->_shrunk;
                    int emptied = places > SizeClasses.CachedCount ? EmptySpare(cache, sizeClass) : EmptyLoaded(cache, sizeClass);
                    gone += emptied * (long)SizeClasses.SizeOf(sizeClass);
                    blocks -= emptied == 0 ? 0 : emptied + BlocksPerMagazine;
                }

                ClrVolatile.Write(ref cache->_changing, 0);
                return kept - gone;
            }

            // Gives back the spare of a class, if it has blocks.
            // Returns: how many.
            private static int EmptySpare(ThreadCache* cache, int sizeClass)
            {
                ulong spare = TopsOf(cache)[Spare + sizeClass];
                int blocks = CountAt(spare);
                if (blocks == 0)
                    return 0;

                TopsOf(cache)[Spare + sizeClass] = SmallBlocks.SentinelTop;
                cache->Room -= SmallBlocks.DepotOf(sizeClass)->MagazineBytes;
                Return(spare, sizeClass, givingIsHeld: false);
                return blocks;
            }

            // Gives back the blocks of a loaded magazine but for that on top, by which a second free of it is known.
            // Returns: how many.
            private static int EmptyLoaded(ThreadCache* cache, int sizeClass)
            {
                ulong loaded = TopsOf(cache)[sizeClass];
                int blocks = CountAt(loaded) - 1;
                if (blocks <= 0 || IsCovered(loaded))
                    return 0;

                Magazine* magazine = Magazine.Of(loaded);
                ulong* slots = Magazine.Slots(magazine);
                (slots[0], slots[blocks]) = (slots[blocks], slots[0]);
                TopsOf(cache)[sizeClass] = Magazine.TopAt(magazine, 1);
                SmallBlocks.FreeMany(sizeClass, slots + 1, blocks, givingIsHeld: false);
                return blocks;
            }

            // The bytes in the caller's magazines, but for a block of each class, which stays; notes the room in them.
            private static long Measure(ThreadCache* cache)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                long bytes = 0;
                int room = 0;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    ulong loaded = TopsOf(cache)[sizeClass];
                    ulong spare = TopsOf(cache)[Spare + sizeClass];
                    if (IsSentinel(loaded))
                        continue;

                    int magazine = SmallBlocks.DepotOf(sizeClass)->MagazineBytes;
                    room += IsSentinel(spare) ? magazine : 2 * magazine;
                    int blocks = CountAt(loaded) + CountAt(spare);
                    bytes += (blocks == 0 ? 0 : blocks - 1) * (long)SizeClasses.SizeOf(sizeClass);
                }

                cache->Room = room;
                return bytes;
            }

            // Empties the cache of a dead thread. What it was changing when it died is left alone: no block is handed out twice.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint EmptyDead(ThreadCache* cache)
            {
                EndReading(cache);
                TellDeposits(cache);
                if (ClrVolatile.Read(ref cache->_changing) == 0)
                    return Empty(cache);

                Reset(cache, SmallBlocks.SentinelTop);
                return 0;
            }

            // Makes a dead thread's cache its new owner's, magazines and all, unless the dead one was changing them.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static ThreadCache* TakenOver(ThreadCache* cache)
            {
                EndReading(cache);
                TellDeposits(cache);
                if (ClrVolatile.Read(ref cache->_changing) != 0)
                    Reset(cache, SmallBlocks.SentinelTop);
                return cache;
            }

            // Makes the cache one without magazines, whatever it had.
            internal static void Reset(ThreadCache* cache, ulong sentinel)
            {
                ClrVolatile.Write(ref cache->_pages, 0);
                cache->_markedBytes = 0;
                for (int i = 0; i < Spare + PageMap.Count; i++)
                    TopsOf(cache)[i] = sentinel;

                cache->_deposits = 0;
                cache->Room = 0;
                cache->Quarantine.Reset();
                EndReading(cache);
                ClrVolatile.Write(ref cache->_changing, 0);
            }

            // How many blocks it keeps, and adds their bytes; about, if its owner allocates or frees meanwhile.
            internal static long CachedBlocks(ThreadCache* cache, ref long bytes)
            {
                long blocks = cache->Quarantine.Blocks;
                bytes += (long)cache->Quarantine.Bytes;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    int loaded = CountAt(ClrVolatile.Read(ref TopsOf(cache)[sizeClass]));
                    int spare = CountAt(ClrVolatile.Read(ref TopsOf(cache)[Spare + sizeClass]));
                    blocks += loaded + spare;
                    bytes += (loaded + spare) * (long)SizeClasses.SizeOf(sizeClass);
                }

                return blocks;
            }

            internal static ulong Fingerprint(ThreadCache* cache)
            {
                ulong fingerprint = cache->Quarantine.Fingerprint;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    ulong loaded = ClrVolatile.Read(ref TopsOf(cache)[sizeClass]);
                    ulong spare = ClrVolatile.Read(ref TopsOf(cache)[Spare + sizeClass]);
                    fingerprint = unchecked(fingerprint * 31 + loaded * 31 + spare);
                }

                return fingerprint;
            }

            private static int CountAt(ulong top) => IsSentinel(top) ? 0 : Magazine.CountAt(top);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static void ResetClass(ThreadCache* cache, int sizeClass)
            {
                TopsOf(cache)[sizeClass] = SmallBlocks.SentinelTop;
                TopsOf(cache)[Spare + sizeClass] = SmallBlocks.SentinelTop;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static nuint Return(ulong top, int sizeClass, bool givingIsHeld)
            {
                if (IsSentinel(top))
                    return 0;

                Magazine* magazine = Magazine.Of(top);
                nuint unmapped = SmallBlocks.FreeMany(sizeClass, Magazine.Slots(magazine), Magazine.CountAt(top), givingIsHeld);
                Small->Magazines.Give(magazine);
                return unmapped;
            }
        }
    }
}
