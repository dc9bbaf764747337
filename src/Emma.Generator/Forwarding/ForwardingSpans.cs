static unsafe partial class {name}
{
    /// <summary>Allocates a block for elements of a type and returns it as a span. Their contents are undefined.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="length">Elements; a span of length 0 has a unique block too.</param>
    /// <returns>The elements. Free them with <c>Free</c> of this class, once.</returns>
    /// <remarks>Any thread may call this, and any thread may free the block.</remarks>
    /// <exception cref="global::System.OutOfMemoryException">The system has no more.</exception>
    /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    public static global::System.Span<T> AllocSpan<T>(int length)
        where T : unmanaged
    {
        if (length < 0)
            throw new global::System.ArgumentOutOfRangeException(nameof(length));
        return new global::System.Span<T>(Alloc<T>((nuint)length), length);
    }

    /// <summary>Frees the block that a span begins with.</summary>
    /// <typeparam name="T">An unmanaged type.</typeparam>
    /// <param name="span">A span that <c>AllocSpan</c> of this class returned, or its beginning; the default span: nothing happens.</param>
    /// <exception cref="global::System.ArgumentException">No block of this class begins where <paramref name="span"/> does.</exception>
    public static void Free<T>(global::System.Span<T> span)
        where T : unmanaged
    {
        fixed (T* first = &global::System.Runtime.InteropServices.MemoryMarshal.GetReference(span))
            Free(first);
    }
}
