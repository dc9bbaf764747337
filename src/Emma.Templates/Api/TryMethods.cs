namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

// The same without exceptions for lack of memory.
static unsafe partial class EmmaHeap
{
    /// <summary>Allocates a block, or returns null. Its contents are undefined.</summary>
    /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
    /// <returns>The block, at a multiple of 16, or null if there is no room for it. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void* TryAlloc(nuint byteCount)
    {
        void* block = HeapInternals.SmallBlocks.TryTake(byteCount);
        if (block == null)
            block = HeapInternals.TryAllocSlowly(byteCount);
        return block;
    }

    /// <summary>Allocates a block for a number of elements, or returns null. Its contents are undefined.</summary>
    /// <param name="elementCount">Elements.</param>
    /// <param name="elementSize">Bytes of an element. A product that overflows gives null.</param>
    /// <returns>The block, at a multiple of 16, or null if there is no room for it. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    public static void* TryAlloc(nuint elementCount, nuint elementSize) => TryAlloc(HeapInternals.Product(elementCount, elementSize));

    /// <summary>Allocates a block of zeros, or returns null.</summary>
    /// <param name="byteCount">Bytes that are zero; 0 gives a unique block too.</param>
    /// <returns>The block, at a multiple of 16, or null if there is no room for it. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    public static void* TryAllocZeroed(nuint byteCount) => HeapInternals.TryAllocZeroedSlowly(byteCount);

    /// <summary>Allocates a block of zeros for a number of elements, or returns null.</summary>
    /// <param name="elementCount">Elements.</param>
    /// <param name="elementSize">Bytes of an element. A product that overflows gives null.</param>
    /// <returns>The block, at a multiple of 16, or null if there is no room for it. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    public static void* TryAllocZeroed(nuint elementCount, nuint elementSize) =>
        HeapInternals.TryAllocZeroedSlowly(HeapInternals.Product(elementCount, elementSize));

    /// <summary>Changes the size of a block as <c>Realloc</c> does, or returns null.</summary>
    /// <param name="ptr">A block of this heap; null: as <c>TryAlloc</c>.</param>
    /// <param name="byteCount">The new size in bytes.</param>
    /// <returns>The block, which may have moved, or null: then the old block is as it was.</returns>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this heap.</exception>
    public static void* TryRealloc(void* ptr, nuint byteCount) =>
        HeapInternals.Resize(ptr, byteCount, HeapInternals.SizeClasses.Granularity, throws: false);

    /// <summary>Allocates a block at a multiple of an alignment, or returns null. Its contents are undefined.</summary>
    /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
    /// <param name="alignment">Bytes; a power of two.</param>
    /// <returns>The block, or null if there is no room for it. Free it with <c>AlignedFree</c> or <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two.</exception>
    public static void* TryAlignedAlloc(nuint byteCount, nuint alignment)
    {
        void* block = HeapInternals.TryTakeAligned(byteCount, alignment);
        return block != null ? block : HeapInternals.AlignedAllocSlowly(byteCount, alignment, throws: false);
    }

    /// <summary>Changes the size and the alignment of a block as <c>AlignedRealloc</c> does, or returns null.</summary>
    /// <param name="ptr">A block of this heap, aligned or not; null: as <c>TryAlignedAlloc</c>.</param>
    /// <param name="byteCount">The new size in bytes.</param>
    /// <param name="alignment">Bytes; a power of two.</param>
    /// <returns>The block, which may have moved, or null: then the old block is as it was.</returns>
    /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two, or <paramref name="ptr"/> is
    /// no block of this heap.</exception>
    public static void* TryAlignedRealloc(void* ptr, nuint byteCount, nuint alignment)
    {
        HeapInternals.RequireAlignment(alignment);
        return HeapInternals.Resize(ptr, byteCount, alignment, throws: false);
    }
}
