namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How caches and depots shrink while the program works: a free block that one of them keeps holds its slab back. Frees that leave
        // the fast path see to it; no timer does. As long as little memory is in use, they keep what they have.
        // All depots together keep a small part of the bytes in use, or a little more where that is next to nothing, and so do all caches,
        // each an equal share. A thread looks at its own cache after its slow frees have brought in so many bytes; whoever looks first in a
        // turn also has the owners of all caches asked for, a few at each slow free, so that what the dead have left is found. Where slabs
        // are sparse, everything that is kept goes back to them, depots' blocks once in a turn and caches' more often: what is taken next
        // comes from few slabs, and others empty.
        internal partial struct SmallBlocks
        {
            // What all caches keep together: at least, at most; and each of them at least.
            internal const long LeastCacheBytes = 8 << 20;
            internal const long MostCacheBytes = 16 << 20;
            internal const long LeastShare = 2 << 20;

            // Of so many bytes in use the depots may keep one, and so may the caches.
            private const int KeptShift = 5;

            // Slabs of so many times the bytes of their blocks that are taken are sparse: caches and depots give all blocks back then, so
            // that those taken next come from few slabs.
            private const int SparseSlabs = 2;

            // How long caches of sparse slabs keep what they have, at least; twice as long each time that a turn made the slabs fewer by
            // less than one part in so many. A block that a thread frees is the next that it takes: the shorter the while, the more of
            // those that are taken come from the slabs.
            private const int ShortestGatheringMilliseconds = 8;
            private const int LittleShift = 6;

            // So many doublings more often a thread looks at its cache meanwhile.
            private const int SparseLooksShift = 3;

            // How many magazines of depots one free empties.
            private const int MagazinesAtOnce = 2;

            // How much one free gives back of its own cache: so many blocks, of which each magazine counts for a few.
            private const int OwnBlocksAtOnce = 1024;

            // A thread looks at its cache, and at the time, whenever its slow frees have brought in so many bytes, about.
            internal const int BytesPerLook = 256 << 10;

            // How often all owners of caches are asked for, in pieces.
            private const int TurnMilliseconds = 500;

            // How many owners one free asks the kernel for; it empties one cache at most.
            private const int OwnersAtOnce = 8;

            internal readonly bool HasTooMuchInDepots
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrVolatile.Read(in _depotBytes) > ClrMath.Max(Segments->LeastUseBytes / 2, Segments->TakenBytes >> KeptShift);
            }

            // The most bytes that one cache keeps.
            private readonly long CacheShare =>
                ClrMath.Max(
                    LeastShare,
                    ClrMath.Clamp(Segments->TakenBytes >> KeptShift, LeastCacheBytes, MostCacheBytes) / ClrMath.Max(Caches.Owned, 1));

            internal void CountDeposits(int bytes) => ClrInterlocked.Add(ref _depotBytes, bytes);

            // Gives back some of what depots, the caller's cache and dead threads' caches keep, if that is too much. The caller holds no
            // lock.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void ShedSurplus()
            {
                if (Segments->TakenBytes <= Segments->LeastUseBytes)
                    return;

                ThreadCache* cache = CurrentCache;
                bool looks = cache != null && cache->Brought >= BytesPerLook;
                if ((looks || ClrVolatile.Read(ref _isAtWork) != 0) && Compilation.TryRequire(CompilationGroups.ForPurge))
                    Shed(looks ? cache : null);
            }

            // own: The caller's cache, if it is to be looked at.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Shed(ThreadCache* own)
            {
                bool beginsTurn = own != null && Look(own);
                if (ClrVolatile.Read(ref _isAtWork) == 0)
                    return;
                // Before the lock is taken under the thread's name: in a forked process it has a new one.
                ThreadCacheList.NoticeFork();
                // Another thread is just giving something back; or it died, which is asked once in a turn.
                if (!(beginsTurn ? Giving->TryAcquireFromDead() : Giving->TryAcquire()))
                    return;

                // What is added to the work meanwhile is done a turn later, at most.
                ClrVolatile.Write(ref _isAtWork, 0);
                if (HasTooMuchInDepots || _magazinesLeft > 0)
                    ShedMagazines();
                if (_ownersLeft > 0)
                    AskOwners();
                if (HasTooMuchInDepots || _magazinesLeft > 0 || _ownersLeft > 0)
                    ClrVolatile.Write(ref _isAtWork, 1);
                Giving->Release();
            }

            // Returns: whether a turn begins.
            private bool Look(ThreadCache* own)
            {
                own->Brought = 0;
                long now = ClrEnvironment.TickCount64;
                // Two threads may begin a turn at once: then all is asked for twice.
                bool beginsTurn = now >= ClrVolatile.Read(ref _nextTurn) || Segments->TakenBytes < ClrVolatile.Read(ref _takenBytes) / 2;
                if (beginsTurn)
                    BeginTurn(now);
                if (HasTooMuchInDepots)
                    ClrVolatile.Write(ref _isAtWork, 1);

                if (ClrVolatile.Read(ref _gatheringPause) != 0 && now >= ClrVolatile.Read(ref _nextGathering))
                    BeginGathering(now);
                int gatherings = ClrVolatile.Read(ref _gatherings);
                if (own->Gathering != gatherings)
                    own->PlacesLeft = ThreadCache.Places;
                own->Gathering = gatherings;
                if (own->PlacesLeft > 0)
                    Gather(own);
                else if (own->Room > CacheShare)
                    Shrink(own);
                return beginsTurn;
            }

            // Two threads may begin one at once: then it is one.
            private void BeginGathering(long now)
            {
                ClrVolatile.Write(ref _nextGathering, now + ClrVolatile.Read(ref _gatheringPause));
                ClrVolatile.Write(ref _gatherings, ClrVolatile.Read(ref _gatherings) + 1);
            }

            // A piece at a time.
            private static void Gather(ThreadCache* own)
            {
                ThreadCache.ShrinkTo(own, 0, OwnBlocksAtOnce, ref own->PlacesLeft, out long gone);
                if (gone == 0)
                    own->PlacesLeft = 0;
                // The next slow free goes on.
                if (own->PlacesLeft > 0)
                    own->Brought = BytesPerLook;
            }

            private readonly void Shrink(ThreadCache* own)
            {
                long share = CacheShare;
                int places = ThreadCache.Places;
                long kept = ThreadCache.ShrinkTo(own, share, OwnBlocksAtOnce, ref places, out long gone);
                // It cannot keep too much before the rest of its share has come in. What went may come back at once: it would go again.
                own->Brought = -(int)(ClrMath.Max(share - kept, 0) + ClrMath.Min(2 * gone, BytesPerLook));
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void BeginTurn(long now)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                ClrVolatile.Write(ref _nextTurn, now + TurnMilliseconds);
                ClrVolatile.Write(ref _takenBytes, Segments->TakenBytes);
                ClrVolatile.Write(ref _ownersLeft, Caches.Count);
                ClrVolatile.Write(ref _isAtWork, 1);
                long slabs = 0;
                long live = 0;
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    slabs += Bin.Of(sizeClass)->SlabBytes;
                    live += Bin.Of(sizeClass)->LiveBytes;
                }

                long before = ClrVolatile.Read(ref _slabBytes);
                ClrVolatile.Write(ref _slabBytes, slabs);
                if (slabs < SparseSlabs * live + Segments->LeastUseBytes)
                {
                    ClrVolatile.Write(ref _gatheringPause, 0);
                    ClrVolatile.Write(ref LooksShift, 0);
                    return;
                }

                int pause = ClrVolatile.Read(ref _gatheringPause);
                pause = pause == 0 || slabs < before - (before >> LittleShift) ? ShortestGatheringMilliseconds
                    : ClrMath.Min(2 * pause, TurnMilliseconds);
                ClrVolatile.Write(ref _gatheringPause, pause);
                ClrVolatile.Write(ref LooksShift, SparseLooksShift);
                long magazines = 0;
                for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                    magazines += DepotOf(sizeClass)->CachedBytes / DepotOf(sizeClass)->MagazineBytes;
                ClrVolatile.Write(ref _magazinesLeft, (int)magazines);
                BeginGathering(now);
            }

            private void ShedMagazines()
            {
                int magazines = MagazinesAtOnce;
                for (int classes = SizeClasses.CachedCount; classes > 0 && magazines > 0; classes--)
                {
                    _shedClass = _shedClass >= SizeClasses.CachedCount ? 1 : _shedClass + 1;
                    DepotOf(_shedClass)->Flush(_shedClass, ref magazines);
                }

                // All are empty: what was counted has gone without being told.
                if (magazines == MagazinesAtOnce)
                    ClrVolatile.Write(ref _depotBytes, 0);
                ClrVolatile.Write(ref _magazinesLeft, magazines == 0 ? ClrMath.Max(_magazinesLeft - MagazinesAtOnce, 0) : 0);
            }

            private void AskOwners()
            {
                int owners = ClrMath.Min(_ownersLeft, OwnersAtOnce);
                int left = owners;
                Caches.ReclaimDead(ref left, most: 1);
                ClrVolatile.Write(ref _ownersLeft, _ownersLeft - owners + left);
            }

            private void ResetSurplus()
            {
                ClrVolatile.Write(ref _depotBytes, 0);
                ClrVolatile.Write(ref _ownersLeft, 0);
                ClrVolatile.Write(ref _magazinesLeft, 0);
                ClrVolatile.Write(ref _gatheringPause, 0);
                ClrVolatile.Write(ref LooksShift, 0);
                ClrVolatile.Write(ref _takenBytes, 0);
                ClrVolatile.Write(ref _isAtWork, 0);
            }
        }
    }
}
