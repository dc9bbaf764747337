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
                    unmapped += Return(loaded, sizeClass) + Return(spare, sizeClass);
                }

                unmapped += cache->Quarantine.Empty();
                ClrVolatile.Write(ref cache->_changing, 0);
                return unmapped;
            }

            // Empties the cache of a dead thread. What it was changing when it died is left alone: no block is handed out twice.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint EmptyDead(ThreadCache* cache)
            {
                EndReading(cache);
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
            private static nuint Return(ulong top, int sizeClass)
            {
                if (IsSentinel(top))
                    return 0;

                Magazine* magazine = Magazine.Of(top);
                nuint unmapped = SmallBlocks.FreeMany(sizeClass, Magazine.Slots(magazine), Magazine.CountAt(top), givingIsHeld: true);
                Small->Magazines.Give(magazine);
                return unmapped;
            }
        }
    }
}
