namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

// What the public methods have in common: their slow halves, and the checks of their arguments.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocSlowly(nuint byteCount)
        {
            void* block = AllocateBlock(byteCount, false);
            return block != null ? block : FailAllocation(null, byteCount, SizeClasses.Granularity, zeroed: false, throws: true);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocZeroedSlowly(nuint byteCount)
        {
            void* block = AllocateBlock(byteCount, true);
            return block != null ? block : FailAllocation(null, byteCount, SizeClasses.Granularity, zeroed: true, throws: true);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AlignedAllocSlowly(nuint byteCount, nuint alignment, bool throws)
        {
            RequireAlignment(alignment);
            void* block = AllocateAlignedBlock(byteCount, alignment);
            return block != null ? block : FailAllocation(null, byteCount, alignment, zeroed: false, throws);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* TryAllocSlowly(nuint byteCount)
        {
            void* block = AllocateBlock(byteCount, false);
            return block != null ? block : FailAllocation(null, byteCount, SizeClasses.Granularity, zeroed: false, throws: false);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* TryAllocZeroedSlowly(nuint byteCount)
        {
            void* block = AllocateBlock(byteCount, true);
            return block != null ? block : FailAllocation(null, byteCount, SizeClasses.Granularity, zeroed: true, throws: false);
        }

        // Resizes a block, or allocates one where there is none.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* Resize(void* ptr, nuint byteCount, nuint alignment, bool throws)
        {
            void* block = ptr != null ? ReallocateBlock(ptr, byteCount, alignment) : null;
            return block != null ? block : ResizeSlowly(ptr, byteCount, alignment, throws);
        }

        // There is no block yet, or it has not been resized for want of memory.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private static void* ResizeSlowly(void* ptr, nuint byteCount, nuint alignment, bool throws)
        {
            void* block = ptr == null && alignment <= SizeClasses.Granularity ? SmallBlocks.TryTake(byteCount) : null;
            if (block == null && ptr == null)
                block = AllocateAnyBlock(byteCount, alignment, zeroed: false);
            return block != null ? block : FailAllocation(ptr, byteCount, alignment, zeroed: false, throws);
        }

        // The fast half of an aligned allocation; null: the slow half does the whole.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* TryTakeAligned(nuint byteCount, nuint alignment)
        {
            // As SizeClasses.OfAligned; runs begin at multiples of a page.
            return byteCount <= SizeClasses.MaxCachedSize && alignment <= SizeClasses.PageSize && nuint.IsPow2(alignment)
                ? SmallBlocks.TryTake(AlignUp(byteCount == 0 ? 1 : byteCount, alignment))
                : null;
        }

        internal static void RequireAlignment(nuint alignment)
        {
            if (!nuint.IsPow2(alignment))
                ThrowBadAlignment(alignment);
        }
    }
}
