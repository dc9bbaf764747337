namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

// What looks at the heap as a whole: giving back what is free, and counting.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Unmaps whatever the heap keeps only to be faster, after waiting for what other threads are giving back right now.
        // maxMagazines: How many magazines of free blocks are emptied, about.
        // Returns: bytes given back to the kernel.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static nuint Reclaim(int maxMagazines)
        {
            nuint given = Small->Flush(maxMagazines);
            Giving->Acquire();
            given += GiveBack(keepReserve: false);
            Giving->Release();
            return given;
        }

        // Unmaps, or frees for other uses, whatever the heap keeps only to be faster. The caller holds the lock of giving back; if it
        // allocates before it lets go of that, nothing free is out of its sight, because somebody is just giving it back.
        // Returns: bytes given back to the kernel.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static nuint GiveBack(bool keepReserve)
        {
            nuint given = Large->EmptyCache();
            if (Compilation.Has(CompilationGroups.Large))
                given += Segments->GiveBackFreedLast(givingIsHeld: true) + Large->UnmapFreedLast();
            for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
            {
                Segment* segment = Bin.Of(sizeClass)->ReleaseIdleSlab();
                if (segment != null)
                    given += Segments->Release(segment, keepReserve: true);
            }

            if (!keepReserve)
                given += Segments->ReleaseAllEmpty();
            return given + Space->RetryRetained();
        }

        // After a free that left the fast path: gives back some of what caches, depots and segments keep, if that is too much. The caller
        // holds no lock.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void GiveBackSurplus()
        {
            Small->ShedSurplus();
            Segments->PurgeSurplus();
        }

        // Gives the kernel what is free, as far as this much work does.
        // maxMagazines: How many magazines of free blocks are emptied, about.
        // maxSegments: How many segments are unmapped or have free pages discarded.
        // Returns: bytes unmapped or discarded.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static nuint TrimSome(int maxMagazines, int maxSegments)
        {
            byte* notReplaced = stackalloc byte[LongLoop.Bytes];
            nuint given = Reclaim(maxMagazines);
            SlotWalk walk = Space->Walk();
            for (nuint segment = walk.Next(SlotKind.Segment); segment != 0 && maxSegments > 0; segment = walk.Next(SlotKind.Segment))
            {
                nuint part = Segments->Trim((Segment*)segment);
                given += part;
                maxSegments -= part != 0 ? 1 : 0;
            }

            given += Small->TrimMagazines();
            Space->DiscardEmptyWindows();
            return given;
        }

        // Changes the limit. A heap that has more mapped gives back what it can.
        internal static void SetLimit(long limit)
        {
            Policy.Limit = limit;
            if (HeapState.IsRunning && Space->IsOverLimit && Compilation.TryRequire(CompilationGroups.ForUpkeep))
                TrimSome(int.MaxValue, int.MaxValue);
        }

        // What the heap holds, if it runs. Throws OutOfMemoryException: There is no memory for the code that counts.
        internal static HeapCount CountIfRunning()
        {
            HeapCount count = default;
            if (HeapState.IsRunning)
            {
                Compilation.Require(CompilationGroups.ForUpkeep);
                count = Count();
            }

            CountWithoutMemory(ref count);
            return count;
        }

        // Adds what does not depend on memory that is mapped.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void CountWithoutMemory(ref HeapCount count)
        {
            count.Limit = Policy.Limit;
            count.Failed = ClrVolatile.Read(ref Heap->Failures);
            count.Owners = Loaned->Of(Loans.Owners);
            count.Pins = Loaned->Of(Loans.Pins);
            count.Arenas = Loaned->Of(Loans.Arenas);
            count.Callbacks = ClrVolatile.Read(ref Heap->CallbacksGiven);
        }

        // What the heap holds. Takes each of its locks for a moment.
        internal static HeapCount Count()
        {
            HeapCount count = default;
            for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                Bin.Of(sizeClass)->AddTo(ref count);
            Segments->AddTo(ref count);
            Small->AddTo(ref count);
            count.Mapped = (long)Space->Mapped;
            // What another thread is just mapping is counted already, and the peak is not noted before it has succeeded.
            count.PeakMapped = ClrMath.Max((long)Space->PeakMapped, count.Mapped);
            count.InUse += (long)Large->Bytes;
            count.LiveBlocks += Large->Count;
            count.Header += (long)Space->Metadata;
            count.Cached += (long)(Large->CachedBytes + Space->Retained);
            count.LargeBlocks = Large->Count;
            return count;
        }
    }
}
