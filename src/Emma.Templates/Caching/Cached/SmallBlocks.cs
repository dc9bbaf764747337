namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrRuntimeFeature = global::System.Runtime.CompilerServices.RuntimeFeature;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

// Caching: what stands between the API and the slabs, so that most allocations and frees take no lock.
//
// Basic design (Bonwick and Adams, "Magazines and Vmem", 2001)
//   A magazine is an array of pointers to free blocks of one class. A thread has two for each class it uses (ThreadCache): it allocates
//   from and frees into the loaded one. When that is empty, or full, it exchanges it for its spare; when that does not help either, it
//   exchanges a whole magazine with the depot of the class, a lock-free stack of full magazines (Depot). Only when the depot has none, or
//   has enough, do blocks come from slabs, or go back to them, a magazine at a time under the bin's lock. A block may be freed by any
//   thread: it joins that thread's magazine. So there are no owners and no lists of remote frees. .NET tells nobody that a thread has
//   ended. Caches stand on a list (ThreadCacheList) with their owners' kernel ids, and whoever needs a cache, or is about to map a segment,
//   asks the kernel for a few of those owners and takes over what the dead have left. Memory of magazines is type-stable (MagazineStore): a
//   thread that lost the race for one may still read it. Page runs of up to 256 KiB are kept in the same way, a class for each length, but
//   not fetched ahead of need: they come one by one from the segments. Not under a MemoryLimit, where what other threads keep is in the
//   way.
//
// Which cache is mine?
//   On CoreCLR on x86-64 the cache is a word of the thread control block (ThreadWord), and the fast paths are machine code beside the
//   trampoline, because no other lookup costs as little in calls that are not inlined and in collectible load contexts (FastPathCode).
//   NativeAOT compiles a [ThreadStatic] to a single load, so there, on other processors and systems, and wherever machine code is
//   refused, it is one.
//
// Invariants
//   * A block is live, or in one magazine, or free in its slab, or, if it is a run, no more. The slab, or the segment, counts those in
//     magazines as taken.
//   * The words of a cache are written by its owner alone; by whoever has taken it from a dead owner; or by Destroy, when no other thread
//     uses the heap.
//   * A class without a magazine has the root's sentinel loaded, which is always empty and always full.
//   * A depot holds full magazines only.
//
// Locking: none but the lock of the magazine store, held while it grows. The layer calls the others with none held.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks of up to 32 KiB, as the API sees them, and short page runs that were freed: this form keeps free ones of each thread's own
        // in front of slabs and segments.
        internal partial struct SmallBlocks
        {
            // How many owners of caches the kernel is asked for, at most, before a segment is mapped: little beside what filling one costs.
            private const int ChecksBeforeMapping = 256;

            // First: depots and the cache are aligned to cache lines, as this structure is.
            private DepotTable _depots;

            // A cache without magazines that nobody owns and nobody writes, for a thread that cannot have one.
            private ThreadCache _noCache;

            // A magazine without slots: no block before its top, and `Full` at it.
            private ulong _sentinelEmpty;
            private ulong _sentinelFull;

            internal ThreadCacheList Caches;
            internal MagazineStore Magazines;
            internal EmptyBlocks Empty;
            internal MarkReaders Readers;

            // What the depots keep, but for what caches did not tell yet.
            private long _depotBytes;

            // When all owners of caches are asked for the next time, and how many of them still are.
            private long _nextTurn;
            private int _ownersLeft;

            // How often caches have been asked to give all their blocks back, and how many magazines of depots are still to go.
            private int _gatherings;
            private int _magazinesLeft;

            // When caches are asked the next time, so many milliseconds after the last; 0: slabs are not sparse, and they are not.
            private long _nextGathering;
            private int _gatheringPause;

            // By how many doublings more often than otherwise threads look at their caches.
            internal int LooksShift;

            // The bytes of all slabs, and of all pages in use, when the turn began.
            private long _slabBytes;
            private long _takenBytes;

            // Not 0: slow frees have something to give back.
            private int _isAtWork;

            // The class whose depot gives up a magazine next.
            private int _shedClass;

            // The top of the sentinel magazine.
            internal static ulong SentinelTop
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (ulong)&Small->_sentinelFull;
            }

            internal static ThreadCache* NoCache => &Small->_noCache;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static Depot* DepotOf(int sizeClass) => (Depot*)Small + (sizeClass - 1);

            // The calling thread's cache by way of machine code, or of a thread static; null if it has none.
            internal static ThreadCache* CurrentCache
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get
                {
                    if (!UsesMachineCode)
                        return ThreadCacheList.Static;

                    nint code = FastPathEntries.Current->Cache;
                    return code == 0 ? ThreadCacheList.Static : unchecked((delegate*<ThreadCache*>)code)();
                }
            }

            // Whether the fast paths are machine code where that is to be had. A constant to the compiler.
            private static bool UsesMachineCode
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrRuntimeFeature.IsDynamicCodeCompiled && KernelEntry.TakesCode;
            }

            // Makes constants of what the fast paths read, for code that is compiled from now on.
            internal static void RunClassConstructors()
            {
                ClrRuntimeHelpers.RunClassConstructor(typeof(FastPathEntries).TypeHandle);
                ClrRuntimeHelpers.RunClassConstructor(typeof(ClrRuntimeFeature).TypeHandle);
            }

            // Whether there is machine code, and the thread's word is where a cache is found.
            internal static bool HasMachineCode
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrVolatile.Read(ref FastPathEntries.Current->Cache) != 0;
            }

            // Makes the layer's part of the root, zeros so far.
            internal static void Initialize(SmallBlocks* small)
            {
                Assert(&small->_depots == small);
                small->_sentinelFull = Magazine.Full;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                    ((Depot*)small)[sizeClass - 1].Initialize(sizeClass);
                ThreadCache.Reset(&small->_noCache, (ulong)&small->_sentinelFull);
            }

            // Says where the fast paths' machine code lies; 0: there is none, and methods take its place. Nothing else is called before.
            internal readonly void Start(nint code)
            {
                if (code == 0)
                {
                    // The word is nobody's, whoever made it: the heap never gets machine code now.
                    ThreadWord.Release();
                    ThreadCacheList.EnsureKey();
                }

                FastPathEntries.Lead(FastPathEntries.Current, code);
            }

            // Whether a thread reads about a segment that was taken out of use before.
            internal static bool AreMarksRead(nuint segment) => MarkReaders.Remain(segment);

            // The machine code that the layer wants beside the trampoline; empty where it will not be used.
            internal static byte[] MachineCode() => UsesMachineCode ? FastPathCode.Compose() : [];

            // The fast half of an allocation: a block from the calling thread's loaded magazine, or null. A hardened heap has none.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void* TryTake(nuint size) =>
                IsHardened ? null
                : !UsesMachineCode ? TakeSizedFromStatic(size)
                : size > SizeClasses.MaxTableSize ? unchecked((delegate*<nuint, void*>)FastPathEntries.Current->TakeLarge)(size)
                : unchecked((delegate*<nuint, void*>)FastPathEntries.Current->Take)(SizeClasses.OfTable(size));

            // The fast half of a free: a block of a class that is kept goes to the calling thread's loaded magazine. A hardened heap has
            // none.
            // Returns: whether it did, or is null; null from now on.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryGive(ref void* block)
            {
                block = IsHardened ? block
                    : UsesMachineCode ? unchecked((delegate*<void*, void*>)FastPathEntries.Current->Give)(block)
                    : GiveToStatic(block);
                return !IsHardened && block == null;
            }

            // What the machine code does, for a cache that a thread static finds.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void* TakeFromStatic(nuint sizeClass)
            {
                ThreadCache* cache = ThreadCacheList.Static;
                return cache == null ? null : ThreadCache.TryTake(cache, sizeClass);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void* TakeSizedFromStatic(nuint size)
            {
                ThreadCache* cache = ThreadCacheList.Static;
                return cache == null ? null : ThreadCache.TryTakeSized(cache, size);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void* GiveToStatic(void* block)
            {
                ThreadCache* cache = ThreadCacheList.Static;
                return cache != null && ThreadCache.TryGive(cache, block) ? null : block;
            }

            // Allocates a block, or returns 0 if no memory is to be had.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal nuint Allocate(int sizeClass)
            {
                ThreadCache* cache = Caches.Current();
                if (cache != null)
                    return ThreadCache.TakeAnyhow(cache, sizeClass);
                // No memory for a cache: the slabs serve everybody.
                return Compilation.TryRequire(CompilationGroups.Sharing) ? AllocateUncached(sizeClass) : 0;
            }

            // A page run of a class that the calling thread or the depot keeps; 0: they have none.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal nuint TakeKept(int pageClass)
            {
                ThreadCache* cache = Caches.Current();
                return cache == null ? 0 : ThreadCache.TakeAnyhow(cache, pageClass);
            }

            // Allocates a block that no cache had, without waiting for the lock of giving back; 0: no memory is to be had.
            internal readonly nuint AllocateUncached(int sizeClass)
            {
                nuint block = Bin.Of(sizeClass)->Allocate();
                LiveMarks.SetIfChecked(block);
                return block;
            }

            // Allocates a block of those that are free already; 0: none is.
            internal readonly nuint AllocateFree(int sizeClass)
            {
                nuint block = Bin.Of(sizeClass)->Allocate(mayAdd: false);
                LiveMarks.SetIfChecked(block);
                return block;
            }

            // Frees a block of a class; where the options have it checked, what is none changes nothing.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal PointerCheck Free(nuint address, int sizeClass)
            {
                PointerCheck check = ChecksBoundaries ? Examine(address, sizeClass) : PointerCheck.Valid;
                if (check != PointerCheck.Valid)
                    return check;
                if (ChecksBoundaries && !MarkReaders.TryClear(address))
                    return PointerCheck.AlreadyFree;

                ThreadCache* cache = Caches.Current();
                if (cache == null)
                    return Bin.Of(sizeClass)->Free(address);
                return ThreadCache.GiveSlowly(cache, sizeClass, address) ? PointerCheck.Valid : PointerCheck.AlreadyFree;
            }

            // Frees a page run: the calling thread keeps it if it is of a class for that. False: none begins there, or it was freed just
            // before.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool FreeRun(nuint address, int pageClass)
            {
                if (ChecksBoundaries && !MarkReaders.TryClear(address))
                    return false;

                ThreadCache* cache = pageClass != PageMap.Run && Policy.KeepsRuns ? Caches.Current() : null;
                return cache == null ? Segments->FreeRun(address) : ThreadCache.GiveSlowly(cache, pageClass, address);
            }

            // Whether a run whose page has its class is a live block, as far as the options have it checked.
            internal static bool IsLiveRun(nuint address) => !ChecksBoundaries || MarkReaders.IsSet(address);

            // Gives blocks that a cache or a depot kept back to where they came from. The caller holds no lock but, perhaps, that of giving
            // back.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint FreeMany(int sizeClass, ulong* blocks, int count, bool givingIsHeld)
            {
                if (PageMap.IsSmall(sizeClass))
                    return Bin.Of(sizeClass)->FreeMany(blocks, count, givingIsHeld);

                nuint unmapped = 0;
                for (int i = 0; i < count; i++)
                    Segments->TryFreeRun((nuint)blocks[i], givingIsHeld, ref unmapped);
                return unmapped;
            }

            // Whether a live block begins at an address in a page of a class.
            internal readonly PointerCheck Examine(nuint address, int sizeClass)
            {
                PointerCheck check = Bin.Of(sizeClass)->Examine(address);
                return ChecksBoundaries && check == PointerCheck.Valid && !MarkReaders.IsSet(address) ? PointerCheck.AlreadyFree : check;
            }

            // Takes blocks from slabs. Before a segment is mapped for them, the caches of some dead threads are looked through.
            // Returns: how many; 0: no memory is to be had.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal int FromSlabs(int sizeClass, ulong* blocks, int count, int home)
            {
                Bin* bin = Bin.Of(sizeClass);
                int taken = bin->AllocateMany(blocks, count, home, mayMap: false);
                if (taken != 0)
                    return taken;

                if (Compilation.Has(CompilationGroups.Sharing))
                    ReclaimBeforeMapping();
                return bin->AllocateMany(blocks, count, home, mayMap: true);
            }

            // Before a segment is mapped: gives slabs and segments what dead threads have left, or waits for another thread that does.
            internal void ReclaimBeforeMapping()
            {
                ThreadCacheList.NoticeFork();
                Giving->Acquire();
                int checks = ChecksBeforeMapping;
                Caches.ReclaimDead(ref checks, int.MaxValue);
                Giving->Release();
            }

            // Gives slabs and segments every block that no live thread but the caller keeps: of the dead, of the caller, of the depots. It
            // holds the lock of giving back for what is in neither meanwhile, so that whoever takes it next finds all of it.
            // maxMagazines: So many magazines of depots, and caches of the dead, at most.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal nuint Flush(int maxMagazines)
            {
                ThreadCacheList.NoticeFork();
                Giving->Acquire();
                int checks = maxMagazines;
                nuint unmapped = Caches.ReclaimDead(ref checks, int.MaxValue);
                ThreadCache* own = CurrentCache;
                if (own != null)
                    unmapped += ThreadCache.Empty(own);
                Giving->Release();
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    Depot* depot = DepotOf(sizeClass);
                    if (depot->CachedBytes == 0)
                        continue;

                    Giving->Acquire();
                    unmapped += depot->Flush(sizeClass, ref maxMagazines);
                    Giving->Release();
                }

                return unmapped;
            }

            // Gives the kernel the memory of the magazines, if no thread holds any.
            // Returns: bytes discarded.
            internal nuint TrimMagazines() => Magazines.DiscardIfUnused();

            // Adds what the caches hold to a count, and takes it from what the slabs count as live.
            internal readonly void AddTo(ref HeapCount count)
            {
                long blocks = Caches.CachedBlocks(out long cached, out count.ThreadCaches) - Empty.Live;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                {
                    blocks += DepotOf(sizeClass)->CachedBlocks;
                    cached += DepotOf(sizeClass)->CachedBytes;
                }

                // While threads allocate and free, one may count as cached what no longer counts as in use.
                count.InUse -= cached < count.InUse ? cached : count.InUse;
                count.LiveBlocks -= blocks < count.LiveBlocks ? blocks : count.LiveBlocks;
                count.Cached += cached;
                count.Header += (long)(Magazines.MappedBytes + Empty.MappedBytes);
            }

            // A number that changes, in all likelihood, when a thread allocates or frees.
            internal readonly ulong Fingerprint()
            {
                ulong fingerprint = Caches.Fingerprint();
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                    fingerprint = unchecked(fingerprint * 31 + DepotOf(sizeClass)->Fingerprint);
                return fingerprint;
            }

            // Forgets every cached block: their memory is about to go. The caches stay with their threads, empty.
            internal void Reset()
            {
                Caches.ResetAll();
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                    DepotOf(sizeClass)->Reset();
                ResetSurplus();
                Magazines.Reset();
                Empty.Reset();
                Readers.Reset();
            }

            // The heap has ended: nothing calls the machine code any more, which is about to be unmapped.
            internal void Unload()
            {
                Caches.UnpinAll();
                FastPathEntries.Lead(FastPathEntries.Current, 0);
                ThreadWord.Release();
                ThreadCacheList.ReleaseKey();
            }

            [ClrStructLayout(ClrLayoutKind.Sequential, Size = SizeClasses.CachedCount * Root.CacheLine)]
            private struct DepotTable
            {
                internal Depot First;
            }
        }
    }
}
