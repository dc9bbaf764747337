namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

// Plain: a heap that is not hardened hands out its blocks as they are. The members are those of the hardened form.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Allocates for the API; null: out of memory.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* AllocateBlock(nuint size, bool zeroed) => Allocate(size, zeroed);

        // Allocates at a multiple of a power of two; null: out of memory.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* AllocateAlignedBlock(nuint size, nuint alignment) => AllocateAligned(size, alignment);

        // Resizes a live block; null: out of memory, and the block is as it was.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* ReallocateBlock(void* block, nuint size, nuint alignment) => Reallocate(block, size, alignment);

        // Frees a block; refuses what is none.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void ReleaseBlock(void* block) => Release(block);

        // The usable bytes of a live block; refuses what is none.
        internal static nuint UsableSizeOfBlock(void* block, string operation) => SizeOf((nuint)block, RequireBlock(block, operation));

        // The usable bytes that a block asked for with a size has.
        internal static nuint UsableSizeFor(nuint size)
        {
            if (size <= SizeClasses.MaxSize)
                return SizeClasses.SizeOf(SizeClasses.Of(size));
            if (!LargeBlocks.Takes(size, 1))
                return (nuint)Segment.PagesFor(size) << Segment.PageShift;
            return size <= AddressSpace.MaxBytes ? LargeBlocks.LengthFor(size) : size;
        }

        // The same for a block at a multiple of an alignment.
        internal static nuint UsableSizeFor(nuint size, nuint alignment)
        {
            if (size <= SizeClasses.MaxSize && alignment <= SizeClasses.MaxSize)
                return SizeClasses.SizeOf(SizeClasses.OfAligned(size, alignment));
            if (size > AddressSpace.MaxBytes)
                return size;

            size = ClrMath.Max(size, 1);
            return LargeBlocks.Takes(size, alignment) ? LargeBlocks.LengthFor(size) : (nuint)Segment.PagesFor(size) << Segment.PageShift;
        }

        // Whether memory about to be read or written lies within one block: nobody asks here.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void RequireRange(void* start, nuint size, string operation)
        {
        }
    }
}
