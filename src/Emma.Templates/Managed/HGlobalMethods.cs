namespace Emma.Templates;

// The methods of System.Runtime.InteropServices.Marshal that allocate unmanaged memory: same names and signatures.
static unsafe partial class EmmaHeap
{
    /// <summary>Allocates a block, as <c>Alloc</c>.</summary>
    /// <param name="cb">Bytes; 0 gives a unique block too. A negative number is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never 0. Free it with <c>FreeHGlobal</c> or <c>Free</c> of this heap, not with
    /// <c>Marshal</c>'s.</returns>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    public static nint AllocHGlobal(int cb) => (nint)Alloc(unchecked((nuint)cb));

    /// <summary>Allocates a block, as <c>Alloc</c>.</summary>
    /// <param name="cb">Bytes; 0 gives a unique block too. A negative number is out of memory.</param>
    /// <returns>The block, at a multiple of 16; never 0. Free it with <c>FreeHGlobal</c> or <c>Free</c> of this heap, not with
    /// <c>Marshal</c>'s.</returns>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    public static nint AllocHGlobal(nint cb) => (nint)Alloc(unchecked((nuint)cb));

    /// <summary>Changes the size of a block, as <c>Realloc</c>.</summary>
    /// <param name="pv">A block of this heap; 0: as <c>AllocHGlobal</c>.</param>
    /// <param name="cb">The new size in bytes. A negative number is out of memory.</param>
    /// <returns>The block, which may have moved; never 0.</returns>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the block is as it
    /// was.</exception>
    /// <exception cref="global::System.ArgumentException"><paramref name="pv"/> is no block of this heap.</exception>
    public static nint ReAllocHGlobal(nint pv, nint cb) => (nint)Realloc((void*)pv, unchecked((nuint)cb));

    /// <summary>Frees a block, as <c>Free</c>.</summary>
    /// <param name="hglobal">A block of this heap; 0: nothing happens.</param>
    /// <exception cref="global::System.ArgumentException"><paramref name="hglobal"/> is no block of this heap.</exception>
    public static void FreeHGlobal(nint hglobal) => Free((void*)hglobal);
}
