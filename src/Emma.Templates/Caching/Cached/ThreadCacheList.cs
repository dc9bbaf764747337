namespace Emma.Templates;

using ClrException = global::System.Exception;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrThreadStatic = global::System.ThreadStaticAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Whose a cache is: the kernel's id of a thread, 0 for nobody's, and how often that has changed. Without the count, whoever finds
        // an owner dead could take the cache from another thread that was given the dead one's id in between.
        internal struct CacheOwner
        {
            private const int IdBits = 32;

            private long _word;

            internal readonly long Word => ClrVolatile.Read(in _word);

            internal static int IdIn(long word) => unchecked((int)word);

            // Makes the cache another owner's. False: it has changed hands since the word was read.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TryChange(long word, int owner)
            {
                long changes = (word >> IdBits) + 1;
                return ClrInterlocked.CompareExchange(ref _word, unchecked((changes << IdBits) | (uint)owner), word) == word;
            }

            // Makes the caller's cache nobody's.
            internal void Leave() => TryChange(Word, 0);
        }

        // Every cache that threads of this heap have or had, linked for good: a cache whose owner is dead serves the next thread that needs
        // one, so there are about as many as threads lived at once.
        // A cache belongs to the thread whose kernel id its owner word holds. An id that is the caller's own, in a cache it does not know
        // of, is a dead predecessor's. An id of which the kernel says that this process has no such thread is a dead thread's; if the id is
        // given out anew right then, and its new holder takes the cache over as its predecessor's, the word's other half has changed. An id
        // that is in use again by a thread without a cache looks alive until that thread ends or needs a cache.
        internal struct ThreadCacheList
        {
            // Whoever needs a cache looks at so many, from where the last search ended: a bounded time with any number of threads. So each
            // is looked at once for so many threads that come, and at most one in so many is a dead thread's where threads come and go.
            private const int LooksForOne = 8;

            private const nuint CacheAlignment = 64;

            [ClrThreadStatic]
            private static ThreadCache* t_cache;

            // In its place in a collectible load context (ThreadKey).
            private static ThreadKey? s_key;

            private nint _first;

            // Where the next search for dead owners begins.
            private nint _cursor;

            private int _count;

            // About, where threads die just when it changes.
            private int _owned;

            // How many caches there are, and how many of them are somebody's, alive or dead.
            internal readonly int Count => ClrVolatile.Read(in _count);

            internal readonly int Owned => ClrVolatile.Read(in _owned);

            // The calling thread's cache where no machine code finds it.
            internal static ThreadCache* Static
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => IsCollectible ? InKey() : t_cache;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static ThreadCache* InKey() => ClrVolatile.Read(ref s_key) is { } key ? (ThreadCache*)key.Value : null;

            // Sets a key aside where threads find their caches without machine code and need one. Comes before any cache. Any number of
            // threads may race.
            internal static void EnsureKey() => ThreadKey.EnsureCreated(ref s_key);

            // Gives the key back. No thread looks for its cache afterwards.
            internal static void ReleaseKey() => ThreadKey.Release(ref s_key);

            // The calling thread's cache, made if it has none; null: there is no memory for one.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal ThreadCache* Current()
            {
                ThreadCache* cache = SmallBlocks.CurrentCache;
                return cache != null ? cache : Enter();
            }

            // Gives slabs and segments what dead threads have left. The caller holds the lock of giving back.
            // checks: How many owners are looked at, at most; how many more afterwards.
            // most: How many caches are emptied, at most.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal nuint ReclaimDead(ref int checks, int most)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                Assert(Giving->IsHeld);
                nuint unmapped = 0;
                if (checks > Count)
                    checks = Count;
                for (; most > 0; most--)
                {
                    // The caller's own meanwhile: if it dies, somebody finds the cache with it.
                    ThreadCache* dead = TakeFromDead(CurrentThread.Id, ref checks);
                    if (dead == null)
                        break;

                    unmapped += ThreadCache.EmptyDead(dead);
                    Leave(dead);
                }

                return unmapped;
            }

            // Lets go of the owners' ids. No thread looks for a cache afterwards.
            internal readonly void UnpinAll()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                for (ThreadCache* cache = First; KernelThreads.PinsIds && cache != null; cache = cache->Next)
                    KernelThreads.Unpin(ref cache->Pin);
            }

            // Empties every cache, whoever owns it, without giving anything back.
            internal readonly void ResetAll()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                for (ThreadCache* cache = First; cache != null; cache = cache->Next)
                    ThreadCache.Reset(cache, SmallBlocks.SentinelTop);
            }

            // The blocks in all caches, their bytes, and how many of the caches belong to threads.
            internal readonly long CachedBlocks(out long bytes, out long owned)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                long blocks = 0;
                bytes = 0;
                owned = 0;
                for (ThreadCache* cache = First; cache != null; cache = cache->Next)
                {
                    blocks += ThreadCache.CachedBlocks(cache, ref bytes);
                    owned += CacheOwner.IdIn(cache->Owner.Word) > 0 ? 1 : 0;
                }

                return blocks;
            }

            internal readonly ulong Fingerprint()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                ulong fingerprint = 0;
                for (ThreadCache* cache = First; cache != null; cache = cache->Next)
                    fingerprint = unchecked(fingerprint * 31 + ThreadCache.Fingerprint(cache));
                return fingerprint;
            }

            // Whether the owner of a cache reads about a block in a segment, other than a dead one.
            internal readonly bool IsAnyReading(nuint segment)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                for (ThreadCache* cache = First; cache != null; cache = cache->Next)
                {
                    if ((nuint)Segment.Of(ThreadCache.ReadAt(cache)) == segment
                        && !CurrentThread.IsDead(KernelThreads.ProcessId(), CacheOwner.IdIn(cache->Owner.Word)))
                    {
                        return true;
                    }
                }

                return false;
            }

            private readonly ThreadCache* First => (ThreadCache*)ClrVolatile.Read(in _first);

            // Must come before any owner is asked for: in a forked process, the only thread's id is not the one its cache bears.
            internal static void NoticeFork()
            {
                ThreadCache* cache = SmallBlocks.CurrentCache;
                if (CurrentThread.HasNewId() && cache != null)
                    cache->Owner.TryChange(cache->Owner.Word, CurrentThread.Id);
            }

            // Gives the calling thread a cache: its dead namesake's, one that nobody has, a dead thread's, or a new one.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private ThreadCache* Enter()
            {
                // The process has no key left: the slabs serve everybody.
                if (IsCollectible && !ThreadWord.IsUsed && ClrVolatile.Read(ref s_key) is null)
                    return null;

                bool isFirst = First == null;
                if (!isFirst && !Compilation.TryRequire(CompilationGroups.Sharing))
                    return null;

                NoticeFork();
                int self = CurrentThread.Id;
                ThreadCache* cache = isFirst ? null : TakeOver(self);
                if (cache == null)
                    cache = Add(self);
                if (cache == null)
                    return null;

                // Another thread was first, in between.
                if (isFirst && cache->Next != null && !Compilation.TryRequire(CompilationGroups.Sharing))
                {
                    Leave(cache);
                    return null;
                }

                // Its last owner's.
                cache->OwnersName = 0;
                KernelThreads.Pin(ref cache->Pin);
                if (ThreadWord.IsUsed)
                {
                    ThreadWord.Set(cache);
                }
                else if (!IsCollectible)
                {
                    t_cache = cache;
                }
                else if (!s_key!.TrySet((nint)cache))
                {
                    Leave(cache);
                    return null;
                }

                return cache;
            }

            // Makes the caller's cache nobody's.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Leave(ThreadCache* cache)
            {
                cache->Owner.Leave();
                ClrInterlocked.Decrement(ref _owned);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private ThreadCache* TakeOver(int self)
            {
                ThreadCache* cache = TakeNobodys(self);
                if (cache == null)
                {
                    int looks = LooksForOne;
                    cache = TakeFromDead(self, ref looks);
                }

                return cache == null ? null : ThreadCache.TakenOver(cache);
            }

            // Looks at some caches, from where the last search for dead owners ended, for one that is nobody's, or that bears the caller's
            // own id, which is a dead predecessor's.
            private ThreadCache* TakeNobodys(int self)
            {
                ThreadCache* cache = (ThreadCache*)ClrVolatile.Read(ref _cursor);
                for (int looks = 0; looks < LooksForOne; looks++)
                {
                    if (cache == null)
                        cache = First;
                    if (cache == null)
                        return null;

                    long word = cache->Owner.Word;
                    int owner = CacheOwner.IdIn(word);
                    if ((owner == self || owner == 0) && cache->Owner.TryChange(word, self))
                    {
                        if (owner == 0)
                            ClrInterlocked.Increment(ref _owned);
                        return cache;
                    }

                    cache = cache->Next;
                }

                return null;
            }

            // Goes through a part of the list, from where it last ended, to a cache whose owner is dead, and makes it a new owner's.
            // Returns: the cache, with which the next search begins, because who took it over may not live long either; null: none was
            // found.
            private ThreadCache* TakeFromDead(int newOwner, ref int looks)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                ThreadCache* cache = (ThreadCache*)ClrVolatile.Read(ref _cursor);
                ThreadCache* found = null;
                int process = KernelThreads.ProcessId();
                while (found == null && looks > 0)
                {
                    looks--;
                    if (cache == null)
                        cache = First;
                    if (cache == null)
                        break;

                    long word = cache->Owner.Word;
                    int owner = CacheOwner.IdIn(word);
                    if (owner > 0 && CurrentThread.IsDead(process, owner) && cache->Owner.TryChange(word, newOwner))
                    {
                        // The next search looks at it once more.
                        found = cache;
                        looks++;
                    }
                    else
                    {
                        cache = cache->Next;
                    }
                }

                ClrVolatile.Write(ref _cursor, (nint)cache);
                return found;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private ThreadCache* Add(int self)
            {
                ThreadCache* cache = Create();
                if (cache == null)
                    return null;

                cache->Owner.TryChange(0, self);
                ClrInterlocked.Increment(ref _owned);
                cache->Home = ClrInterlocked.Increment(ref _count);
                while (true)
                {
                    nint first = ClrVolatile.Read(ref _first);
                    cache->Next = (ThreadCache*)first;
                    if (ClrInterlocked.CompareExchange(ref _first, (nint)cache, first) == first)
                        break;
                }

                return cache;
            }

            private static ThreadCache* Create()
            {
                try
                {
                    ThreadCache* cache = (ThreadCache*)PinnedMemory.Allocate((nuint)sizeof(ThreadCache), CacheAlignment);
                    ThreadCache.Reset(cache, SmallBlocks.SentinelTop);
                    return cache;
                }
                catch (ClrException)
                {
                    // No memory for it: the thread uses the slabs directly, and asks again next time.
                    return null;
                }
            }
        }
    }
}
