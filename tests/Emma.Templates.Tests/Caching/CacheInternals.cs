using System.Runtime.CompilerServices;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // What the caching layer keeps to itself, for tests that play a part of it.
        private static class CacheInternals
        {
            internal static ref ThreadCacheList List => ref Small->Caches;

            // The calling thread's cache; null if it has none.
            internal static ThreadCache* Own => SmallBlocks.CurrentCache;

            // Caches that were ever made.
            internal static int Count => All().Count;

            // Blocks of a class that are live or in magazines.
            internal static long TakenFromSlabs(nuint size) => Bin.Of(SizeClasses.Of(size))->Live;

            // Bytes of the blocks that a cache keeps.
            internal static nuint BytesIn(ThreadCache* cache)
            {
                long bytes = 0;
                ThreadCache.CachedBlocks(cache, ref bytes);
                return (nuint)bytes;
            }

            internal static nuint InDepot(nuint size) =>
                (nuint)SmallBlocks.DepotOf(size <= SizeClasses.MaxSize ? SizeClasses.Of(size)
                    : PageMap.RunOf(Segment.PagesFor(size)))->CachedBytes;

            // Every cache of the heap's list.
            internal static List<nuint> All()
            {
                List<nuint> all = [];
                for (ThreadCache* cache = (ThreadCache*)FirstOf(ref List); cache != null; cache = cache->Next)
                    all.Add((nuint)cache);
                return all;
            }

            // The mark of a slow path at work.
            internal static ref int ChangingOf(nuint cache) => ref ChangingOf(ref *(ThreadCache*)cache);

            // Has the store of the magazines say that it has none and may make none. No other thread uses the heap meanwhile.
            internal static void ExhaustMagazines()
            {
                const int most = 32 * 4096;
                ref MagazineStore store = ref Small->Magazines;
                UnusedOf(ref store).TakeAll();
                MappedOf(ref store) = most;
                CarvedOf(ref store) = most;
            }

            // Makes some caches the heap's list. No thread uses the heap meanwhile.
            internal static void SetList(List<nuint> caches)
            {
                nint next = 0;
                foreach (nuint cache in caches)
                {
                    ((ThreadCache*)cache)->Next = (ThreadCache*)next;
                    next = (nint)cache;
                }

                FirstOf(ref List) = next;
                CursorOf(ref List) = 0;
                CountOf(ref List) = caches.Count;
                OwnedOf(ref List) = caches.Count(cache => CacheOwner.IdIn(((ThreadCache*)cache)->Owner.Word) != 0);
            }

            // Bytes that the depots are said to keep, and those that they keep.
            internal static (long Counted, long Kept) DepotBytes
            {
                get
                {
                    long kept = 0;
                    for (int sizeClass = 1; sizeClass <= SizeClasses.CachedCount; sizeClass++)
                        kept += SmallBlocks.DepotOf(sizeClass)->CachedBytes;
                    return (DepotBytesOf(ref *Small) + All().Sum(cache => DepositsOf(ref *(ThreadCache*)cache)), kept);
                }
            }

            // Has a turn begin with the next look.
            internal static void EndTurn() => NextTurnOf(ref *Small) = 0;

            // Has a gathering begin with the next look, if slabs are sparse.
            internal static void EndGathering() => NextGatheringOf(ref *Small) = 0;

            internal static int GatheringPause => GatheringPauseOf(ref *Small);

            internal static int OwnersLeft => OwnersLeftOf(ref *Small);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_nextGathering")]
            private static extern ref long NextGatheringOf(ref SmallBlocks small);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_gatheringPause")]
            private static extern ref int GatheringPauseOf(ref SmallBlocks small);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_carved")]
            internal static extern ref int CarvedOf(ref MagazineStore store);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_lock")]
            internal static extern ref Lock LockOf(ref MagazineStore store);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_lock")]
            internal static extern ref Lock LockOf(ref Bin bin);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_mapped")]
            private static extern ref int MappedOf(ref MagazineStore store);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_unused")]
            private static extern ref MagazineStack UnusedOf(ref MagazineStore store);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_first")]
            internal static extern ref nint FirstOf(ref ThreadCacheList list);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_cursor")]
            private static extern ref nint CursorOf(ref ThreadCacheList list);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_count")]
            internal static extern ref int CountOf(ref ThreadCacheList list);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_owned")]
            private static extern ref int OwnedOf(ref ThreadCacheList list);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_depotBytes")]
            private static extern ref long DepotBytesOf(ref SmallBlocks small);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_nextTurn")]
            private static extern ref long NextTurnOf(ref SmallBlocks small);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_ownersLeft")]
            private static extern ref int OwnersLeftOf(ref SmallBlocks small);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_deposits")]
            private static extern ref int DepositsOf(ref ThreadCache cache);

            [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_changing")]
            private static extern ref int ChangingOf(ref ThreadCache cache);
        }
    }
}
