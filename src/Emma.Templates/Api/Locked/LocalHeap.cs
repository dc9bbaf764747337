namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// This heap for code that allocates and frees many small blocks in a row. Without <c>ThreadCache</c>, or hardened, it is no faster
    /// than the heap itself.
    /// </summary>
    /// <example>
    /// <code>
    /// MyHeap.LocalHeap local = MyHeap.Local;
    /// for (int i = 0; i &lt; 1000; i++)
    /// {
    ///     byte* scratch = local.Alloc&lt;byte&gt;(64);
    ///     *scratch = (byte)i;
    ///     local.Free(scratch);
    /// }
    /// </code>
    /// </example>
    public static LocalHeap Local => default;

    /// <summary>
    /// This heap as one thread uses it. Its methods mean what those of the same name of the heap mean; blocks may be allocated through one
    /// and freed through the other. The compiler keeps a <c>ref struct</c> on its thread and out of fields.
    /// </summary>
    public readonly ref struct LocalHeap
    {
        /// <summary>Allocates a block. Its contents are undefined.</summary>
        /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c>, here or of the heap, on any thread.</returns>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
        /// unchanged.</exception>
        public void* Alloc(nuint byteCount) => HeapInternals.AllocSlowly(byteCount);

        /// <summary>Allocates a block, or returns null. Its contents are undefined.</summary>
        /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16, or null if there is no room for it. Free it with <c>Free</c>, here or of the heap, on
        /// any thread.</returns>
        public void* TryAlloc(nuint byteCount) => HeapInternals.TryAllocSlowly(byteCount);

        /// <summary>Allocates a block of zeros.</summary>
        /// <param name="byteCount">Bytes that are zero; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c>, here or of the heap, on any thread.</returns>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
        /// unchanged.</exception>
        public void* AllocZeroed(nuint byteCount) => HeapInternals.AllocZeroedSlowly(byteCount);

        /// <summary>Allocates a block for elements of a type. Their contents are undefined.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="count">Elements; 0 gives a unique block too.</param>
        /// <returns>The first element, at a multiple of 16; never null. Free it with <c>Free</c>, here or of the heap, on any
        /// thread.</returns>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
        /// unchanged.</exception>
        public T* Alloc<T>(nuint count = 1)
            where T : unmanaged => (T*)HeapInternals.AllocSlowly(HeapInternals.Product(count, (nuint)sizeof(T)));

        /// <summary>Frees a block, aligned or not, from wherever in this heap it came.</summary>
        /// <param name="ptr">A block of this heap; null: nothing happens.</param>
        /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this heap; see the heap's own
        /// <c>Free</c>.</exception>
        public void Free(void* ptr) => HeapInternals.ReleaseBlock(ptr);
    }
}
