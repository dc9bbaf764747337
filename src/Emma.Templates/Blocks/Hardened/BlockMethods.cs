namespace Emma.Templates;

using ClrArgumentException = global::System.ArgumentException;
using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;

// Hardened: what stands between the API and the heap's blocks in a hardened heap, so that misuse is refused, faults, or ends the process.
//
// Basic design
//   Small blocks have eight bytes more than was asked for. The last eight hold the requested size, scrambled with a random number of the
//   heap and with the address (Canary); what lies between the requested bytes and those is filled with a pattern. Both are checked when the
//   block is freed or resized, and so are the nearest bytes of its neighbours. Free blocks are all zeros: one is cleared when it is freed,
//   and looked through when it is handed out. A freed block waits in its thread's Quarantine, and then in a magazine, of which a random
//   block is taken each time. Its mark says Busy while it is between two states. Whoever exchanges its last eight bytes owns it, so that of
//   two frees one is refused, even at the very same time. Most blocks go short ways (ThreadCache), which read what they need from the
//   thread's cache, check everything, and only then change anything. Whatever looks unusual there, an overwritten byte, a pointer that is
//   no block, or just an empty magazine, is looked at again on the ways below, which report it. Larger blocks are mappings of their own
//   (MappedBlocks), at slots of the window that come in turn: they end, as nearly as their alignment allows, where nothing is mapped,
//   nothing is mapped before them, and nothing is once they are freed. Blocks of no bytes have addresses without memory (EmptyBlocks).
//
// Invariants
//   * The mark of a small block's first bytes is 0 only while the block is all zeros; it is set to Busy before the first byte is written.
//   * A block that is marked Live has a valid canary, or one that says that a thread has just come to own it. Its owner alone changes that,
//     and marks it Busy meanwhile.
//
// Corruption that has happened cannot be undone: it ends the process with a message (Corruption). What is refused in time is an exception.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Allocates for the API; null: out of memory.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* AllocateBlock(nuint size, bool zeroed)
        {
            // A thread has a cache only once the heap has been started. No bytes are very many, less one.
            ThreadCache* cache = SmallBlocks.CurrentCache;
            nuint block = 0;
            if (cache != null && unchecked(size - 1) < Canary.MaxSize)
            {
                nuint sizeClass = (size + Canary.Bytes + SizeClasses.Granularity - 1) / SizeClasses.Granularity;
                block = unchecked(sizeClass - ThreadCache.FirstFewClass) < ThreadCache.FewClasses
                    ? ThreadCache.TryAllocate(cache, sizeClass, sizeClass * SizeClasses.Granularity, size, few: true)
                    : ThreadCache.TryAllocateMany(cache, size);
            }

            return block != 0 ? (void*)block : AllocateBlockSlowly(size);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocateBlockSlowly(nuint size)
        {
            HeapState.EnsureRunning();
            if (size == 0)
            {
                nuint empty = Small->Empty.Allocate();
                if (empty != 0)
                    return (void*)empty;
            }

            // What is handed out is zeros in any case.
            return size <= Canary.MaxSize
                ? AllocateSmallBlock(SizeClasses.Of(size + Canary.Bytes), size)
                : MappedBlocks.Allocate(size, SizeClasses.Granularity);
        }

        // Allocates at a multiple of a power of two; null: out of memory.
        internal static void* AllocateAlignedBlock(nuint size, nuint alignment)
        {
            HeapState.EnsureRunning();
            return size <= Canary.MaxSize && alignment <= SizeClasses.MaxSize
                ? AllocateSmallBlock(SizeClasses.OfAligned(size + Canary.Bytes, alignment), size)
                : MappedBlocks.Allocate(size, alignment);
        }

        internal static void* AllocateSmallBlock(int sizeClass, nuint size)
        {
            ThreadCache* cache = Small->Caches.Current();
            nuint block = cache == null ? 0 : ThreadCache.TakeAny(cache, sizeClass);
            if (block == 0)
                block = (nuint)AllocateSmall(sizeClass);
            if (block != 0)
                ThreadCache.Prepare(block, BlockSizes.Of((nuint)sizeClass), size, LiveMarks.Of(block));
            return (void*)block;
        }

        // Frees a block; refuses what is none.
        internal static void ReleaseBlock(void* block)
        {
            ThreadCache* cache = SmallBlocks.CurrentCache;
            if (cache == null)
                ReleaseBlockSlowly(block);
            else
                ThreadCache.Free(cache, (nuint)block);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void ReleaseBlockSlowly(void* block)
        {
            nuint address = (nuint)block;
            // Whoever does not own the block reads what another thread may be about to give back.
            MarkReader reader = MarkReaders.Enter(address);
            int pageClass = PageMap.ClassOf(address);
            nuint blockSize = PageMap.IsSmall(pageClass) ? BlockSizes.Of((nuint)pageClass) : 0;
            byte* mark = blockSize != 0 ? LiveMarks.Of(address) : null;
            bool owned = blockSize != 0 && Canary.TryOwn(address, blockSize, mark, out nuint _);
            MarkReaders.Leave(reader);
            if (!owned)
            {
                // Finalizers may free after the heap's memory is gone with its load context: there is nothing left to do.
                if (block != null && !HeapState.IsUnloaded && (blockSize != 0 || !MappedBlocks.TryFree(address, pageClass)))
                    ThrowNotLive(address, pageClass, "Free");
                return;
            }

            Canary.RequireNeighbours(address, blockSize, mark);
            ThreadCache.Retire(address, blockSize, mark);
            ThreadCache* cache = Small->Caches.Current();
            if (cache != null)
            {
                cache->Quarantine.Hold(cache, address, (nuint)pageClass);
                return;
            }

            ulong alone = address;
            Bin.Of(pageClass)->FreeMany(&alone, 1, givingIsHeld: false);
        }

        // Resizes a live block; null: out of memory, and the block is as it was.
        internal static void* ReallocateBlock(void* block, nuint size, nuint alignment)
        {
            HeapState.EnsureRunning();
            if (!Compilation.TryRequire(CompilationGroups.ForLarge))
                return null;

            nuint oldSize = UsableSizeOfBlock(block, "Realloc");
            bool aligned = ((nuint)block & (alignment - 1)) == 0;
            if (aligned && (size == oldSize || TryResizeSmall((nuint)block, oldSize, size)))
                return block;

            void* copy = alignment <= SizeClasses.Granularity ? AllocateBlock(size, false) : AllocateAlignedBlock(size, alignment);
            if (copy == null)
                return aligned && size <= oldSize ? block : null;

            ClrNativeMemory.Copy(block, copy, ClrMath.Min(oldSize, size));
            try
            {
                ReleaseBlock(block);
            }
            catch (ClrArgumentException)
            {
                // Another thread has freed it meanwhile.
                ReleaseBlock(copy);
                ThrowBadPointer(block, "Realloc", PointerCheck.AlreadyFree);
            }

            return copy;
        }

        // Resizes a small block where it lies, if a block of its class is what the new size would get.
        internal static bool TryResizeSmall(nuint block, nuint oldSize, nuint size)
        {
            if (size > Canary.MaxSize || size == 0)
                return false;

            int pageClass = SizeClasses.Of(size + Canary.Bytes);
            byte* mark = LiveMarks.Of(block);
            nuint blockSize = BlockSizes.Of((nuint)pageClass);
            MarkReader reader = MarkReaders.Enter(block);
            bool owned = PageMap.ClassOf(block) == pageClass && Canary.TryOwn(block, blockSize, mark, out oldSize);
            MarkReaders.Leave(reader);
            if (!owned)
                return false;

            // What follows the smaller of the sizes is old contents, or a pattern that is nobody's business.
            nuint kept = ClrMath.Min(oldSize, size);
            ClrNativeMemory.Clear((void*)(block + kept), blockSize - kept);
            Canary.Write(block, blockSize, size, mark);
            return true;
        }

        // The bytes that were asked for; refuses what is no live block, and ends the process if it was written past its end.
        internal static nuint UsableSizeOfBlock(void* block, string operation)
        {
            nuint address = (nuint)block;
            int pageClass = PageMap.ClassOf(address);
            if (!PageMap.IsSmall(pageClass))
            {
                if (!MappedBlocks.TryGetSize(address, pageClass, out nuint bytes))
                    ThrowNotLive(address, pageClass, operation);
                return bytes;
            }

            nuint size = 0;
            MarkReader reader = MarkReaders.Enter(address);
            bool live = address % SizeClasses.Granularity == 0
                && PageMap.ClassOf(address) == pageClass
                && Canary.TryRequire(address, BlockSizes.Of((nuint)pageClass), LiveMarks.Of(address), out size);
            MarkReaders.Leave(reader);
            if (!live)
                ThrowNotLive(address, pageClass, operation);
            return size;
        }

        // The usable bytes that a block asked for with a size has: those.
        internal static nuint UsableSizeFor(nuint size) => size;

        internal static nuint UsableSizeFor(nuint size, nuint alignment) => size;

        internal static void ThrowNotLive(nuint address, int pageClass, string operation)
        {
            bool mayBegin = pageClass switch
            {
                PageMap.None => true,
                PageMap.Large => MappedBlocks.BlockAt(MappedBlocks.StartOf(address), out nuint _) == address,
                PageMap.LargeTail => address % SizeClasses.Granularity == 0 && Small->Empty.Contains(address),
                _ => PageMap.IsSmall(pageClass) && Bin.Of(pageClass)->Examine(address) != PointerCheck.NotABlock,
            };
            ThrowBadPointer((void*)address, operation, mayBegin ? PointerCheck.AlreadyFree : PointerCheck.NotABlock);
        }
    }
}
