namespace Emma.Templates;

using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;

// What gives memory of the heap in the types that .NET code hands around.
static unsafe partial class EmmaHeap
{
    /// <summary>
    /// The heap as a pool, for code that takes one, such as <c>System.IO.Pipelines</c>. Rents as <c>Rent</c> does, 4096 bytes where no size
    /// is given; its <c>Dispose</c> does nothing.
    /// </summary>
    public static global::System.Buffers.MemoryPool<byte> Pool => HeapInternals.BlockPool.Instance;

    /// <summary>Rents elements. Their contents are undefined.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="length">Elements: exactly so many.</param>
    /// <returns>The owner: 40 bytes of the managed heap. Dispose it; a second time does nothing. It has no finalizer.</returns>
    /// <remarks>
    /// Any thread may call this, and any thread may dispose the owner. A <c>Memory</c> that is used after that throws
    /// <c>ObjectDisposedException</c>; a <c>Span</c> cannot know. While it is pinned the memory stays where it is, also after
    /// <c>Dispose</c>.
    /// </remarks>
    /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    /// <example>
    /// <code>
    /// using System.Buffers.IMemoryOwner&lt;byte&gt; owner = MyHeap.Rent&lt;byte&gt;(4096);
    /// owner.Memory.Span.Clear();
    /// </code>
    /// </example>
    public static global::System.Buffers.IMemoryOwner<T> Rent<T>(int length)
        where T : unmanaged
    {
        ClrArgumentOutOfRangeException.ThrowIfNegative(length);
        HeapInternals.Owner<T> owner = new HeapInternals.Owner<T>();
        owner.Begin(length, zeroed: false, token: 0);
        return owner;
    }

    /// <summary>Rents elements that are zero; otherwise as <c>Rent</c>.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="length">Elements: exactly so many.</param>
    /// <returns>The owner: 40 bytes of the managed heap. Dispose it; a second time does nothing. It has no finalizer.</returns>
    /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    public static global::System.Buffers.IMemoryOwner<T> RentZeroed<T>(int length)
        where T : unmanaged
    {
        ClrArgumentOutOfRangeException.ThrowIfNegative(length);
        HeapInternals.Owner<T> owner = new HeapInternals.Owner<T>();
        owner.Begin(length, zeroed: true, token: 0);
        return owner;
    }

    /// <summary>
    /// Rents elements through an owner that is used again: nothing is allocated on the managed heap as long as no more than 256 of a type
    /// are out at once. The elements' contents are undefined.
    /// </summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="length">Elements: exactly so many.</param>
    /// <returns>The owner. Dispose it; a second time does nothing.</returns>
    /// <remarks>
    /// Any thread may call this, and any thread may dispose the owner. A disposed owner is refused. A <c>Memory</c> or <c>Span</c> that is
    /// kept beyond is not, and may lead to another rent's elements.
    /// </remarks>
    /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    public static HeapPooledMemory<T> RentPooled<T>(int length)
        where T : unmanaged
    {
        ClrArgumentOutOfRangeException.ThrowIfNegative(length);
        return HeapPooledMemory<T>.Rent(length, zeroed: false);
    }

    /// <summary>
    /// Makes a buffer that grows as it is written to, for <c>Utf8JsonWriter</c> and others that take an <c>IBufferWriter</c>.
    /// </summary>
    /// <param name="initialCapacity">Bytes to have ready; 0: none before something is written.</param>
    /// <returns>The writer. Dispose it; it has no finalizer.</returns>
    /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="initialCapacity"/> is negative.</exception>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    public static HeapBufferWriter CreateBufferWriter(int initialCapacity = 0)
    {
        ClrArgumentOutOfRangeException.ThrowIfNegative(initialCapacity);
        return new HeapBufferWriter(initialCapacity);
    }

    /// <summary>
    /// Makes a buffer of many pieces that never moves what was written: for more than 2 GiB, and where a <c>ReadOnlySequence</c> is wanted.
    /// </summary>
    /// <returns>The writer. Dispose it; it has no finalizer.</returns>
    public static HeapSequenceWriter CreateSequenceWriter() => new HeapSequenceWriter();

    /// <summary>
    /// Makes an arena: blocks one behind the other in chunks of this heap, freed all at once. For what a request, a document or a frame
    /// needs.
    /// </summary>
    /// <param name="chunkBytes">
    /// Bytes of the first chunk, which comes with the first block; less than 256 are taken for 256. Further chunks are twice as long each,
    /// up to 1 MiB.
    /// </param>
    /// <returns>The arena. Dispose it; it has no finalizer. Only one thread at a time may use it.</returns>
    /// <example>
    /// <code>
    /// using MyHeap.HeapArena arena = MyHeap.CreateArena();
    /// for (int request = 0; request &lt; 100; request++)
    /// {
    ///     Span&lt;byte&gt; body = arena.AllocSpan&lt;byte&gt;(1000);
    ///     body.Clear();
    ///     arena.Reset();
    /// }
    /// </code>
    /// </example>
    public static HeapArena CreateArena(nuint chunkBytes = HeapArena.DefaultChunkBytes) => new HeapArena(chunkBytes);

    /// <summary>Makes an arena that uses up a buffer first, most often one on the stack, and an arena of this heap behind it.</summary>
    /// <param name="buffer">Bytes that nobody else uses meanwhile. What lies before their first multiple of 16 is not used.</param>
    /// <returns>The arena. Dispose it.</returns>
    /// <example>
    /// <code>
    /// using MyHeap.HeapScopedArena arena = MyHeap.ScopedArena(stackalloc byte[1024]);
    /// Span&lt;char&gt; text = arena.AllocSpan&lt;char&gt;(100);
    /// text.Fill(' ');
    /// </code>
    /// </example>
    public static HeapScopedArena ScopedArena(global::System.Span<byte> buffer) => new HeapScopedArena(buffer);
}
