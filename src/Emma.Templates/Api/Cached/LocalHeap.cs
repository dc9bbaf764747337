namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// The calling thread's cache of this heap, looked up once: for code that allocates and frees many small blocks in a row.
    /// </summary>
    /// <exception cref="global::System.PlatformNotSupportedException">First use on anything but Linux x64 or arm64.</exception>
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
    public static LocalHeap Local
    {
        get
        {
            HeapInternals.HeapState.EnsureRunning();
            HeapInternals.ThreadCache* cache = HeapInternals.Small->Caches.Current();
            return new LocalHeap(cache != null ? cache : HeapInternals.SmallBlocks.NoCache);
        }
    }

    /// <summary>
    /// This heap as one thread uses it. Its methods mean what those of the same name of the heap mean; blocks may be allocated through one
    /// and freed through the other. The compiler keeps a <c>ref struct</c> on its thread and out of fields. The default value is not
    /// usable.
    /// </summary>
    /// <remarks>Valid as long as the thread runs; after <c>Destroy</c> too, when it starts anew like the heap itself.</remarks>
    public readonly ref struct LocalHeap
    {
        private readonly HeapInternals.ThreadCache* _cache;

        internal LocalHeap(void* cache) => _cache = (HeapInternals.ThreadCache*)cache;

        /// <summary>Allocates a block. Its contents are undefined.</summary>
        /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c>, here or of the heap, on any thread.</returns>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
        /// unchanged.</exception>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        public void* Alloc(nuint byteCount)
        {
            if (byteCount <= HeapInternals.SizeClasses.MaxTableSize)
            {
                void* block = HeapInternals.ThreadCache.TryTake(_cache, HeapInternals.SizeClasses.OfTable(byteCount));
                if (block != null)
                    return block;
            }

            return AllocLocallyOrSlowly(_cache, byteCount);
        }

        // Not of the instance, whose one word would go to the stack.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private static void* AllocLocallyOrSlowly(HeapInternals.ThreadCache* cache, nuint byteCount)
        {
            void* block = HeapInternals.ThreadCache.TryTakeSized(cache, byteCount);
            return block != null ? block : HeapInternals.AllocSlowly(byteCount);
        }

        /// <summary>Allocates a block, or returns null. Its contents are undefined.</summary>
        /// <param name="byteCount">Bytes; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16, or null if there is no room for it. Free it with <c>Free</c>, here or of the heap, on
        /// any thread.</returns>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        public void* TryAlloc(nuint byteCount)
        {
            void* block = HeapInternals.ThreadCache.TryTakeSized(_cache, byteCount);
            if (block == null)
                block = HeapInternals.TryAllocSlowly(byteCount);
            return block;
        }

        /// <summary>Allocates a block of zeros.</summary>
        /// <param name="byteCount">Bytes that are zero; 0 gives a unique block too.</param>
        /// <returns>The block, at a multiple of 16; never null. Free it with <c>Free</c>, here or of the heap, on any thread.</returns>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
        /// unchanged.</exception>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        public void* AllocZeroed(nuint byteCount)
        {
            void* block = HeapInternals.ThreadCache.TryTakeSized(_cache, byteCount);
            if (block == null)
                return HeapInternals.AllocZeroedSlowly(byteCount);

            ClrNativeMemory.Clear(block, byteCount);
            return block;
        }

        /// <summary>Allocates a block for elements of a type. Their contents are undefined.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="count">Elements; 0 gives a unique block too.</param>
        /// <returns>The first element, at a multiple of 16; never null. Free it with <c>Free</c>, here or of the heap, on any
        /// thread.</returns>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
        /// unchanged.</exception>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        public T* Alloc<T>(nuint count = 1)
            where T : unmanaged => (T*)Alloc(HeapInternals.Product(count, (nuint)sizeof(T)));

        /// <summary>Frees a block, aligned or not, from wherever in this heap it came.</summary>
        /// <param name="ptr">A block of this heap; null: nothing happens.</param>
        /// <exception cref="global::System.ArgumentException"><paramref name="ptr"/> is no block of this heap; see the heap's own
        /// <c>Free</c>.</exception>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        public void Free(void* ptr)
        {
            if (!HeapInternals.ThreadCache.TryGive(_cache, ptr))
                HeapInternals.ReleaseBlock(ptr);
        }
    }
}
