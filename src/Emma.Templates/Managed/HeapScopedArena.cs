namespace Emma.Templates;

using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrMath = global::System.Math;
using ClrMemoryMarshal = global::System.Runtime.InteropServices.MemoryMarshal;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// An arena within one method, from <c>ScopedArena</c>: a buffer is used up first, and an arena of this heap behind it, which is not
    /// made before it is needed. It gives out spans alone: the buffer may lie where the garbage collector moves it.
    /// </summary>
    /// <remarks>
    /// What it gives out begins at a multiple of 16, unless the buffer is managed memory and was moved since. It stays on the thread that
    /// made it, and in one variable: a copy would give out the same bytes. It may be used again after <c>Dispose</c>, but has no buffer
    /// then, and is to be disposed of again. <c>Destroy</c> of the heap leaves what lies in the buffer as it is.
    /// </remarks>
    public ref struct HeapScopedArena
    {
        private const int Granularity = (int)HeapInternals.SizeClasses.Granularity;

        private global::System.Span<byte> _rest;
        private HeapArena? _behind;

        internal HeapScopedArena(global::System.Span<byte> buffer)
        {
            // To the first multiple of 16.
            nuint address = (nuint)ClrUnsafe.AsPointer(ref ClrMemoryMarshal.GetReference(buffer));
            int skipped = (int)(unchecked(0 - address) & (Granularity - 1));
            _rest = buffer.Slice(ClrMath.Min(skipped, buffer.Length));
            _behind = null;
        }

        /// <summary>Allocates elements. Their contents are undefined.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="length">Elements.</param>
        /// <returns>The elements, which go with <c>Dispose</c>.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
        /// <exception cref="global::System.ObjectDisposedException">It is the heap's turn, and the heap was destroyed since.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        public global::System.Span<T> AllocSpan<T>(int length)
            where T : unmanaged
        {
            ClrArgumentOutOfRangeException.ThrowIfNegative(length);
            nuint bytes = HeapInternals.Product((nuint)length, (nuint)sizeof(T));
            if (bytes > (nuint)_rest.Length)
                return (_behind ??= CreateArena()).AllocSpan<T>(length);

            global::System.Span<byte> block = _rest.Slice(0, (int)bytes);
            int used = (int)ClrMath.Min(((uint)bytes + (Granularity - 1)) & ~(uint)(Granularity - 1), (uint)_rest.Length);
            _rest = _rest.Slice(used);
            return ClrMemoryMarshal.Cast<byte, T>(block);
        }

        /// <summary>Allocates elements that are zero.</summary>
        /// <typeparam name="T">An unmanaged type.</typeparam>
        /// <param name="length">Elements.</param>
        /// <returns>The elements, which go with <c>Dispose</c>.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
        /// <exception cref="global::System.ObjectDisposedException">It is the heap's turn, and the heap was destroyed since.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; the arena is
        /// unchanged.</exception>
        public global::System.Span<T> AllocZeroedSpan<T>(int length)
            where T : unmanaged
        {
            global::System.Span<T> span = AllocSpan<T>(length);
            span.Clear();
            return span;
        }

        /// <summary>Frees what was allocated of the heap, and gives up the buffer. A second call does nothing.</summary>
        public void Dispose()
        {
            _rest = default;
            _behind?.Dispose();
            _behind = null;
        }
    }
}
