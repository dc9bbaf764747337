namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;

// Blocks: from a size to a block and back. The public methods check their arguments and choose how to report failure; this layer does
// what they have in common, and is the place to follow one block from here down and back up.
//
// One allocation down
//   A size of up to 32 KiB has a size class; its bin takes the lowest free block of a slab on its list (Slabs/Bin.cs). A bin without one
//   gets pages from the segment manager (Segments/SegmentManager.cs) and makes them a slab; without pages it maps a segment at
//   the window's next slot (AddressSpace/AddressSpace.cs), which is one mmap (Kernel/VirtualMemory.cs).
//   Up to 2 MiB a block is a run of pages of a segment; above, and where a limit is wasted otherwise, a mapping of its own
//   (Segments/LargeBlocks.cs).
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
        // How often memory is reclaimed before an allocation fails: more than once, because other threads may take what one of them
        // reclaimed, and give it back at once.
        internal const int ReclaimAttempts = 4;

        // A run that grows is put where it can become so many times twice as long, or at least once.
        private const int MostDoublings = 3;

        // Allocates; null: out of memory.
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

        // Allocates at a multiple of a power of two; null: out of memory.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* AllocateAligned(nuint size, nuint alignment)
        {
            HeapState.EnsureRunning();
            return size <= SizeClasses.MaxSize && alignment <= SizeClasses.MaxSize
                ? AllocateSmall(SizeClasses.OfAligned(size, alignment))
                : AllocateBig(size, alignment, false);
        }

        // Allocates a block of a class; null: out of memory.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocateSmall(int sizeClass)
        {
            nuint block = Small->Allocate(sizeClass);
            // It was refused for want of the group, perhaps.
            if (block == 0 && !Compilation.Has(CompilationGroups.Sharing) && Compilation.TryRequire(CompilationGroups.Sharing))
                block = Small->Allocate(sizeClass);
            if (block == 0 && Compilation.Has(CompilationGroups.Sharing))
                block = AllocateReclaimed(sizeClass);
            return (void*)block;
        }

        // The same after giving back what is free; 0: out of memory.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static nuint AllocateReclaimed(int sizeClass)
        {
            nuint block = 0;
            for (int attempt = 0; block == 0 && attempt < ReclaimAttempts; attempt++)
            {
                Small->Flush(int.MaxValue);
                Giving->Acquire();
                // A segment that holds nothing would have served this block: the reserve may stay.
                GiveBack(keepReserve: true);
                block = Small->AllocateUncached(sizeClass);
                Giving->Release();
                if (block == 0)
                    block = AllocateLarger(sizeClass);
            }

            return block;
        }

        // A block of a larger class, of those that are free already: where nothing more is to be had, one that is up to twice as long, and
        // at a multiple of whatever the class's blocks are at, is better than none. 0: there is none. In a hardened heap a block's place
        // in its class says its size.
        internal static nuint AllocateLarger(int sizeClass)
        {
            nuint size = SizeClasses.SizeOf(sizeClass);
            nuint alignment = size & unchecked(0 - size);
            nuint block = 0;
            for (int larger = sizeClass + 1; !IsHardened && block == 0 && larger <= SizeClasses.Count; larger++)
            {
                nuint largerSize = SizeClasses.SizeOf(larger);
                if (largerSize > 2 * size)
                    break;
                if ((largerSize & (alignment - 1)) == 0)
                    block = Small->AllocateFree(larger);
            }

            return block;
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocateBig(nuint size, nuint alignment, bool zeroed)
        {
            if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                return null;

            if (!Compilation.TryRequire(CompilationGroups.ForLarge))
                return null;

            size = ClrMath.Max(size, 1);
            bool isRun = !LargeBlocks.Takes(size, alignment);
            nuint block = isRun ? AllocateRun(size, alignment, zeroed) : AllocateLarge(size, alignment, zeroed, givingIsHeld: false);
            for (int attempt = 0; block == 0 && attempt < ReclaimAttempts; attempt++)
            {
                Small->Flush(int.MaxValue);
                Giving->Acquire();
                GiveBack(keepReserve: isRun);
                block = isRun
                    ? AllocateRun(size, alignment, zeroed, mayMap: true)
                    : AllocateLarge(size, alignment, zeroed, givingIsHeld: true);
                Giving->Release();
            }

            return (void*)block;
        }

        // Allocates a block; null: out of memory.
        // zeroed: Only where the alignment is that of every block.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocateAnyBlock(nuint size, nuint alignment, bool zeroed) =>
            alignment > SizeClasses.Granularity ? AllocateAlignedBlock(size, alignment) : AllocateBlock(size, zeroed);

        // Allocates a mapping, or, where it would only save memory and is refused, a page run, which may be free and mapped.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static nuint AllocateLarge(nuint size, nuint alignment, bool zeroed, bool givingIsHeld)
        {
            nuint block = Large->Allocate(size, alignment, zeroed, givingIsHeld);
            return block == 0 && LargeBlocks.FitsPages(size, alignment) ? AllocateRun(size, alignment, zeroed, mayMap: true) : block;
        }

        internal static nuint AllocateRun(nuint size, nuint alignment, bool zeroed)
        {
            int pages = Segment.PagesFor(size);
            int pageClass = PageMap.RunOf(pages);
            if (alignment <= Segment.PageSize)
            {
                nuint kept = pageClass == PageMap.Run ? Segments->TakeFreedLast(pages) : Small->TakeKept(pageClass);
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

            Small->ReclaimBeforeMapping();
            Segments->GiveBackFreedLast(givingIsHeld: false);
            return AllocateRun(size, alignment, zeroed, mayMap: true);
        }

        internal static nuint AllocateRun(nuint size, nuint alignment, bool zeroed, bool mayMap)
        {
            int pages = Segment.PagesFor(size);
            int alignmentPages = (int)ClrMath.Max(alignment >> Segment.PageShift, 1);
            PageRun run = Segments->AllocateRun(pages, alignmentPages, mayMap);
            return run.IsNone ? 0 : MakeBlock(run, pages, size, zeroed);
        }

        // A run where it can grow for a while, if some segment has such a place; 0: none has.
        internal static nuint AllocateGrowingRun(nuint size, nuint alignment)
        {
            int pages = Segment.PagesFor(size);
            int alignmentPages = (int)ClrMath.Max(alignment >> Segment.PageShift, 1);
            PageRun run = default;
            // They may lie where there would be room.
            Segments->GiveBackFreedLast(givingIsHeld: false);
            for (int doublings = MostDoublings; doublings > 0 && run.IsNone; doublings--)
            {
                int room = ClrMath.Min(pages << doublings, Segment.PagesFor(LargeBlocks.Threshold));
                if (room > pages)
                    run = Segments->AllocateRunIn(room, pages, alignmentPages);
            }

            return run.IsNone ? 0 : MakeBlock(run, pages, size, zeroed: false);
        }

        internal static nuint MakeBlock(PageRun run, int pages, nuint size, bool zeroed)
        {
            Segment.SpanAt(run.Segment, run.Page)->Describe(run, PageMap.Run, pages);
            LiveMarks.SetIfChecked(run.Address);
            PageMap.SetRun(run.Address, pages);
            if (zeroed)
                ClearDirty(run, size);
            return run.Address;
        }

        // Clears those of a run's first bytes that lie in dirty pages; the others are zero.
        internal static void ClearDirty(PageRun run, nuint size)
        {
            for (ulong dirty = run.Dirty; dirty != 0; dirty &= dirty - 1)
            {
                nuint offset = (nuint)((int)ulong.TrailingZeroCount(dirty) - run.Page) << Segment.PageShift;
                if (offset < size)
                    ClrNativeMemory.Clear((void*)(run.Address + offset), ClrMath.Min(size - offset, Segment.PageSize));
            }
        }
    }
}
