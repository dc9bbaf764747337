namespace Emma.Templates;

using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrMemoryMarshal = global::System.Runtime.InteropServices.MemoryMarshal;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;

// The same for a type's elements.
static unsafe partial class EmmaHeap
{
    /// <summary>Allocates a block for elements of a type. Their contents are undefined.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="count">Elements; 0 gives a unique block too.</param>
    /// <returns>The first element, at a multiple of 16; never null. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static T* Alloc<T>(nuint count = 1)
        where T : unmanaged => (T*)Alloc(count, (nuint)sizeof(T));

    /// <summary>Allocates a block for elements of a type, or returns null. Their contents are undefined.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="count">Elements; 0 gives a unique block too.</param>
    /// <returns>The first element, at a multiple of 16, or null if there is no room. Free it with <c>Free</c> of this heap.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
    public static T* TryAlloc<T>(nuint count = 1)
        where T : unmanaged => (T*)TryAlloc(count, (nuint)sizeof(T));

    /// <summary>Allocates a block for elements of a type and returns it as a span. Their contents are undefined.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="length">Elements; a span of length 0 has a unique block too.</param>
    /// <returns>The elements. Free them with <c>Free</c> of this heap, once.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the heap is
    /// unchanged.</exception>
    /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    /// <example>
    /// <code>
    /// Span&lt;int&gt; numbers = MyHeap.AllocSpan&lt;int&gt;(1000);
    /// numbers.Fill(7);
    /// MyHeap.Free(numbers);
    /// </code>
    /// </example>
    public static global::System.Span<T> AllocSpan<T>(int length)
        where T : unmanaged
    {
        ClrArgumentOutOfRangeException.ThrowIfNegative(length);
        return new global::System.Span<T>(Alloc<T>((nuint)length), length);
    }

    /// <summary>Frees the block that a span begins with.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="span">A span that <c>AllocSpan</c> of this heap returned, or its beginning; the default span: nothing happens.</param>
    /// <exception cref="global::System.ArgumentException">No block of this heap begins where <paramref name="span"/> does.</exception>
    public static void Free<T>(global::System.Span<T> span)
        where T : unmanaged => Free(ClrUnsafe.AsPointer(ref ClrMemoryMarshal.GetReference(span)));
}
