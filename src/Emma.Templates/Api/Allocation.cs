namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;

// Api, the topmost layer: what a user of the heap sees. The public methods check their arguments and choose how to report failure;
// this file does what they have in common, and is the place to follow one block from here down and back up.
//
// One allocation down
//   A size of up to 32 KiB has a size class; its bin takes the lowest free block of a slab on its list (Slabs/Bin.cs). A bin without one
//   gets pages from the segment manager (Segments/SegmentManager.cs) and makes them a slab; without pages it maps a segment at
//   the window's next slot (Segments/AddressSpace.cs), which is one mmap (Kernel/Syscalls.cs).
//   Up to 2 MiB a block is a run of pages of a segment; above, a mapping of its own (Segments/LargeBlocks.cs).
//   Before all of these a thread's cache is asked, for blocks of up to 256 KiB (Caching/SmallBlocks.cs).
// One free back up
//   The page map says what the pointer's page is: a class leads to its bin, which finds the slab's descriptor in the segment's page 0
//   and sets the block's bit; a run's pages go back to their segment; a large block's mapping goes to the cache or the kernel.
//   Before that, blocks of up to 256 KiB go to the thread's cache.
//   No class: the pointer is refused.
//
// Locking: the layer has no lock of its own and calls the others with none held. All exceptions are thrown here, where nothing is locked.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>
        /// How often memory is reclaimed before an allocation fails: more than once, because other threads may take what one of them reclaimed,
        /// and give it back at once.
        /// </summary>
        internal const int ReclaimAttempts = 4;

        /// <summary>The largest alignment that a page run can have: half a segment.</summary>
        internal const nuint MaxRunAlignment = Segment.Size / 2;

        /// <summary>Allocates; null: out of memory.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* Allocate(nuint size, bool zeroed)
        {
            HeapState.EnsureRunning();
            if (size > SizeClasses.MaxSize)
                return AllocateBig(size, SizeClasses.Granularity, zeroed);

            void* block = AllocateSmall(SizeClasses.Of(size));
            if (zeroed && block != null)
                ClrNativeMemory.Clear(block, size);
            return block;
        }

        /// <summary>Allocates at a multiple of a power of two; null: out of memory.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* AllocateAligned(nuint size, nuint alignment)
        {
            HeapState.EnsureRunning();
            return size <= SizeClasses.MaxSize && alignment <= SizeClasses.MaxSize
                ? AllocateSmall(SizeClasses.OfAligned(size, alignment))
                : AllocateBig(size, alignment, false);
        }

        /// <summary>Allocates a block of a class; null: out of memory.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining | ClrMethodImplOptions.AggressiveOptimization)]
        internal static void* AllocateSmall(int sizeClass)
        {
            ref Root root = ref *HeapState.Root;
            nuint block = root.Small.Allocate(sizeClass);
            for (int attempt = 0; block == 0 && attempt < ReclaimAttempts; attempt++)
            {
                root.Small.Flush(int.MaxValue);
                root.Giving.Acquire();
                // A segment that holds nothing would have served this block: the reserve may stay.
                GiveBack(keepReserve: true);
                block = root.Small.AllocateUncached(sizeClass);
                root.Giving.Release();
            }

            return (void*)block;
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocateBig(nuint size, nuint alignment, bool zeroed)
        {
            if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                return null;

            size = ClrMath.Max(size, 1);
            ref Root root = ref *HeapState.Root;
            bool isRun = !IsHardened && size <= LargeBlocks.Threshold && alignment <= MaxRunAlignment;
            nuint block = isRun ? AllocateRun(size, alignment, zeroed) : root.Large.Allocate(size, alignment, zeroed, givingIsHeld: false);
            for (int attempt = 0; block == 0 && attempt < ReclaimAttempts; attempt++)
            {
                root.Small.Flush(int.MaxValue);
                root.Giving.Acquire();
                GiveBack(keepReserve: isRun);
                block = isRun ? AllocateRun(size, alignment, zeroed, mayMap: true) : root.Large.Allocate(size, alignment, zeroed, givingIsHeld: true);
                root.Giving.Release();
            }

            return (void*)block;
        }

        internal static nuint AllocateRun(nuint size, nuint alignment, bool zeroed)
        {
            int pageClass = PageMap.RunOf(PagesFor(size));
            if (pageClass != PageMap.Run && alignment <= Segment.PageSize)
            {
                nuint kept = HeapState.Root->Small.TakeKept(pageClass);
                if (kept != 0)
                {
                    if (zeroed)
                        ClrNativeMemory.Clear((void*)kept, size);
                    return kept;
                }
            }

            nuint block = AllocateRun(size, alignment, zeroed, mayMap: false);
            if (block != 0)
                return block;

            HeapState.Root->Small.ReclaimBeforeMapping();
            return AllocateRun(size, alignment, zeroed, mayMap: true);
        }

        internal static nuint AllocateRun(nuint size, nuint alignment, bool zeroed, bool mayMap)
        {
            int pages = PagesFor(size);
            int alignmentPages = (int)ClrMath.Max(alignment >> Segment.PageShift, 1);
            PageRun run = HeapState.Root->Segments.AllocateRun(pages, alignmentPages, mayMap);
            if (run.IsNone)
                return 0;

            Slab.InitializeRun(run, PageMap.Run, pages);
            LiveMarks.SetIfChecked(run.Address);
            PageMap.SetRun(run.Address, pages);
            if (zeroed)
                ClearDirty(run, size);
            return run.Address;
        }

        /// <summary>Clears those of a run's first bytes that lie in dirty pages; the others are zero.</summary>
        internal static void ClearDirty(PageRun run, nuint size)
        {
            for (ulong dirty = run.Dirty; dirty != 0; dirty &= dirty - 1)
            {
                nuint offset = (nuint)((int)ulong.TrailingZeroCount(dirty) - run.Page) << Segment.PageShift;
                if (offset < size)
                    ClrNativeMemory.Clear((void*)(run.Address + offset), ClrMath.Min(size - offset, Segment.PageSize));
            }
        }

        internal static int PagesFor(nuint size) => (int)((size + (Segment.PageSize - 1)) >> Segment.PageShift);

        /// <summary>Resizes a live block; null: out of memory, and the block is as it was.</summary>
        internal static void* Reallocate(void* block, nuint size, nuint alignment)
        {
            HeapState.EnsureRunning();
            int pageClass = RequireBlock(block, "Realloc");
            nuint oldSize = SizeOf((nuint)block, pageClass);
            bool aligned = ((nuint)block & (alignment - 1)) == 0;
            if (aligned && TryResizeInPlace((nuint)block, pageClass, oldSize, size))
                return block;

            if (pageClass == PageMap.Large && size > oldSize && size <= AddressSpace.MaxBytes)
            {
                void* moved = Grow(block, size, alignment, aligned);
                if (moved != null)
                    return moved;
            }

            void* copy = alignment <= SizeClasses.Granularity ? Allocate(size, false) : AllocateAligned(size, alignment);
            if (copy == null)
                return aligned && size <= oldSize ? block : null;

            ClrNativeMemory.Copy(block, copy, ClrMath.Min(oldSize, size));
            Release(block);
            return copy;
        }

        /// <summary>Grows a large block without copying it: by moving, or, once memory has been reclaimed, in either way. Null: neither goes.</summary>
        internal static void* Grow(void* block, nuint size, nuint alignment, bool inPlace)
        {
            ref LargeBlocks large = ref HeapState.Root->Large;
            nuint moved = large.TryMove((nuint)block, size, alignment);
            if (moved != 0)
                return (void*)moved;

            Reclaim(int.MaxValue);
            return inPlace && large.TryResizeInPlace((nuint)block, size) ? block : (void*)large.TryMove((nuint)block, size, alignment);
        }

        internal static bool TryResizeInPlace(nuint block, int pageClass, nuint oldSize, nuint size)
        {
            if (PageMap.IsSmall(pageClass))
                return size <= oldSize && size >= oldSize / 2;

            if (pageClass == PageMap.Large)
                return size > LargeBlocks.Threshold && size <= AddressSpace.MaxBytes && HeapState.Root->Large.TryResizeInPlace(block, size);

            if (size is <= SizeClasses.MaxSize or > LargeBlocks.Threshold)
                return false;

            int oldPages = PagesFor(oldSize);
            int pages = PagesFor(size);
            if (pages > oldPages)
                return HeapState.Root->Segments.TryExtendRun(Segment.Of(block), Segment.PageOf(block), oldPages, pages);
            if (pages < oldPages)
                HeapState.Root->Segments.ShrinkRun(Segment.Of(block), Segment.PageOf(block), oldPages, pages);
            return true;
        }

        /// <summary>Frees a block; refuses what is none.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
        internal static void Release(void* block)
        {
            nuint address = (nuint)block;
            int pageClass = PageMap.ClassOf(address);
            if (!PageMap.IsSmall(pageClass))
            {
                ReleaseBig(block, pageClass);
                return;
            }

            PointerCheck check = HeapState.Root->Small.Free(address, pageClass);
            if (check != PointerCheck.Valid)
                FinishRelease(block, check);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void FinishRelease(void* block, PointerCheck check)
        {
            if (check == PointerCheck.ValidAndLast)
                HeapState.Root->Segments.ReleaseIfEmpty(Segment.Of((nuint)block), givingIsHeld: false);
            else
                ThrowBadPointer(block, "Free", check);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void ReleaseBig(void* block, int pageClass)
        {
            // Finalizers may free after the heap's memory is gone with its load context: there is nothing left to do.
            if (block == null || HeapState.IsUnloaded)
                return;

            bool mayBegin = pageClass == PageMap.None;
            if (IsPageStart(block) && (pageClass == PageMap.Large || PageMap.IsRun(pageClass)))
            {
                ref Root root = ref *HeapState.Root;
                if (pageClass == PageMap.Large ? root.Large.TryFree((nuint)block) : root.Small.FreeRun((nuint)block, pageClass))
                    return;
                // Another thread has freed it just now, or it is kept for the next allocation.
                mayBegin = true;
            }

            ThrowBadPointer(block, "Free", mayBegin ? PointerCheck.AlreadyFree : PointerCheck.NotABlock);
        }

        internal static bool IsPageStart(void* block) => ((nuint)block & (Segment.PageSize - 1)) == 0;

        /// <summary>The page class of a live block; refuses what is none, as far as the options have it checked.</summary>
        internal static int RequireBlock(void* block, string operation)
        {
            int pageClass = PageMap.ClassOf((nuint)block);
            if (PageMap.IsSmall(pageClass))
            {
                if (ChecksBoundaries && HeapState.Root->Small.Examine((nuint)block, pageClass) is not PointerCheck.Valid and PointerCheck check)
                    ThrowBadPointer(block, operation, check);
            }
            else if (pageClass == PageMap.None || (IsPageStart(block) && PageMap.IsRun(pageClass) && !SmallBlocks.IsLiveRun((nuint)block)))
            {
                ThrowBadPointer(block, operation, PointerCheck.AlreadyFree);
            }
            else if (!IsPageStart(block) || (pageClass != PageMap.Large && !PageMap.IsRun(pageClass)))
            {
                ThrowBadPointer(block, operation, PointerCheck.NotABlock);
            }

            return pageClass;
        }

        /// <summary>The usable bytes of a live block.</summary>
        internal static nuint SizeOf(nuint block, int pageClass) => pageClass switch
        {
            <= SizeClasses.CachedCount => SizeClasses.SizeOf(pageClass),
            PageMap.Run => (nuint)HeapState.Root->Segments.PagesOfRun(block) << Segment.PageShift,
            _ => HeapState.Root->Space.LengthAt(block),
        };

        /// <summary>Unmaps whatever the heap keeps only to be faster, after waiting for what other threads are giving back right now.</summary>
        /// <param name="maxMagazines">How many magazines of free blocks are emptied, about.</param>
        /// <returns>Bytes given back to the kernel.</returns>
        internal static nuint Reclaim(int maxMagazines)
        {
            ref Root root = ref *HeapState.Root;
            nuint given = root.Small.Flush(maxMagazines);
            root.Giving.Acquire();
            given += GiveBack(keepReserve: false);
            root.Giving.Release();
            return given;
        }

        /// <summary>
        /// Unmaps, or frees for other uses, whatever the heap keeps only to be faster. The caller holds the lock of giving back; if it
        /// allocates before it lets go of that, nothing free is out of its sight, because somebody is just giving it back.
        /// </summary>
        /// <returns>Bytes given back to the kernel.</returns>
        internal static nuint GiveBack(bool keepReserve)
        {
            ref Root root = ref *HeapState.Root;
            nuint given = root.Large.EmptyCache();
            for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
            {
                Segment* segment = HeapState.BinOf(sizeClass)->ReleaseIdleSlab();
                if (segment != null)
                    given += root.Segments.Release(segment, keepReserve: true);
            }

            if (!keepReserve)
                given += root.Segments.ReleaseAllEmpty();
            return given + root.Space.RetryRetained();
        }

        /// <summary>Gives the kernel what is free, as far as this much work does.</summary>
        /// <param name="maxMagazines">How many magazines of free blocks are emptied, about.</param>
        /// <param name="maxSegments">How many segments are unmapped or have free pages discarded.</param>
        /// <returns>Bytes unmapped or discarded.</returns>
        internal static nuint TrimSome(int maxMagazines, int maxSegments)
        {
            ref Root root = ref *HeapState.Root;
            nuint given = Reclaim(maxMagazines);
            SlotWalk walk = root.Space.Walk();
            for (nuint segment = walk.Next(SlotKind.Segment); segment != 0 && maxSegments > 0; segment = walk.Next(SlotKind.Segment))
            {
                nuint part = root.Segments.Trim((Segment*)segment);
                given += part;
                maxSegments -= part != 0 ? 1 : 0;
            }

            given += root.Small.TrimMagazines();
            root.Space.DiscardEmptyWindows();
            return given;
        }
    }
}
