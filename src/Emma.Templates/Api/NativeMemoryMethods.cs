namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;

// The methods of System.Runtime.InteropServices.NativeMemory: same names, signatures and meaning.
static unsafe partial class EmmaHeap
{
    /// <summary>Allocates a block. Its contents are undefined.</summary>
    /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint byteCount)
    {
        void* block = HeapInternals.SmallBlocks.TryTake(byteCount);
        if (block == null)
            block = HeapInternals.AllocSlowly(byteCount);
        return block;
    }

    /// <summary>Allocates a block for a number of elements. Its contents are undefined.</summary>
    /// <param name="elementCount">Elements.</param>
    /// <param name="elementSize">Bytes of an element. A product that overflows is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void* Alloc(nuint elementCount, nuint elementSize) => Alloc(HeapInternals.Product(elementCount, elementSize));

    /// <summary>Allocates a block of zeros. Pages fresh from the kernel are not cleared again.</summary>
    /// <param name="byteCount">Bytes that are zero; 0 gives a unique block too.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint byteCount)
    {
        void* block = HeapInternals.SmallBlocks.TryTake(byteCount);
        if (block == null)
            return HeapInternals.AllocZeroedSlowly(byteCount);

        ClrNativeMemory.Clear(block, byteCount);
        return block;
    }

    /// <summary>Allocates a block of zeros for a number of elements. Pages fresh from the kernel are not cleared again.</summary>
    /// <param name="elementCount">Elements.</param>
    /// <param name="elementSize">Bytes of an element. A product that overflows is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void* AllocZeroed(nuint elementCount, nuint elementSize) => AllocZeroed(HeapInternals.Product(elementCount, elementSize));

    /// <summary>Changes the size of a block, in place where its size class, page run or mapping allows; else its contents move.</summary>
    /// <param name="ptr">A block of this heap; null: as <c>Alloc</c>.</param>
    /// <param name="byteCount">The new size in bytes. What lies behind the smaller of both sizes is undefined.</param>
    /// <returns>The block, at a multiple of 16, which may have moved; never null.</returns>
    /// <remarks>
    /// Any thread may call this. A block of more than 2 MiB moves its pages and copies nothing. If this throws, the block is as it was.
    /// </remarks>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this heap.</exception>
    public static void* Realloc(void* ptr, nuint byteCount) =>
        HeapInternals.Resize(ptr, byteCount, HeapInternals.SizeClasses.Granularity, throws: true);

    /// <summary>Frees a block, aligned or not.</summary>
    /// <param name="ptr">A block of this heap; null: nothing happens.</param>
    /// <remarks>
    /// Any thread may call this. A pointer that is no block of this heap is refused, and the heap is unchanged. A pointer into the middle
    /// of a block, or to one freed before, is refused for certain only with <c>BoundaryChecks</c>.
    /// </remarks>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this heap.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void Free(void* ptr)
    {
        if (!HeapInternals.SmallBlocks.TryGive(ref ptr))
            HeapInternals.ReleaseBlock(ptr);
    }

    /// <summary>Allocates a block at a multiple of an alignment. Its contents are undefined.</summary>
    /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
    /// <param name="alignment">Bytes; a power of two. Large ones cost addresses, not memory.</param>
    /// <returns>The block; never null. Free it with <c>AlignedFree</c> or <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void* AlignedAlloc(nuint byteCount, nuint alignment)
    {
        void* block = HeapInternals.TryTakeAligned(byteCount, alignment);
        if (block == null)
            block = HeapInternals.AlignedAllocSlowly(byteCount, alignment, throws: true);
        return block;
    }

    /// <summary>Changes the size and the alignment of a block, in place where that is possible.</summary>
    /// <param name="ptr">A block of this heap, aligned or not; null: as <c>AlignedAlloc</c>.</param>
    /// <param name="byteCount">The new size in bytes. What lies behind the smaller of both sizes is undefined.</param>
    /// <param name="alignment">Bytes; a power of two.</param>
    /// <returns>The block, which may have moved; never null.</returns>
    /// <remarks>Any thread may call this. If this throws, the block is as it was.</remarks>
    /// <exception cref="global::System.ArgumentException"><paramref name="alignment"/> is not a power of two, or <paramref name="ptr"/> is
    /// no block of this heap.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    public static void* AlignedRealloc(void* ptr, nuint byteCount, nuint alignment)
    {
        HeapInternals.RequireAlignment(alignment);
        return HeapInternals.Resize(ptr, byteCount, alignment, throws: true);
    }

    /// <summary>Frees a block, aligned or not: the same as <c>Free</c>.</summary>
    /// <param name="ptr">A block of this heap; null: nothing happens.</param>
    /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this heap.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static void AlignedFree(void* ptr) => Free(ptr);

    /// <summary>Sets bytes of any memory to zero.</summary>
    /// <param name="ptr">The first byte.</param>
    /// <param name="byteCount">Bytes.</param>
    /// <exception cref="global::System.ArgumentException">The heap is hardened, and the bytes begin in it and do not lie within one live
    /// block.</exception>
    public static void Clear(void* ptr, nuint byteCount)
    {
        HeapInternals.RequireRange(ptr, byteCount, nameof(Clear));
        ClrNativeMemory.Clear(ptr, byteCount);
    }

    /// <summary>Copies bytes of any memory; the two places may overlap.</summary>
    /// <param name="source">The first byte to read.</param>
    /// <param name="destination">The first byte to write.</param>
    /// <param name="byteCount">Bytes.</param>
    /// <exception cref="global::System.ArgumentException">The heap is hardened, and either place begins in it and does not lie within one
    /// live block.</exception>
    public static void Copy(void* source, void* destination, nuint byteCount)
    {
        HeapInternals.RequireRange(source, byteCount, nameof(Copy));
        HeapInternals.RequireRange(destination, byteCount, nameof(Copy));
        ClrNativeMemory.Copy(source, destination, byteCount);
    }

    /// <summary>Sets bytes of any memory to a value.</summary>
    /// <param name="ptr">The first byte.</param>
    /// <param name="byteCount">Bytes.</param>
    /// <param name="value">What each byte becomes.</param>
    /// <exception cref="global::System.ArgumentException">The heap is hardened, and the bytes begin in it and do not lie within one live
    /// block.</exception>
    public static void Fill(void* ptr, nuint byteCount, byte value)
    {
        HeapInternals.RequireRange(ptr, byteCount, nameof(Fill));
        ClrNativeMemory.Fill(ptr, byteCount, value);
    }
}
