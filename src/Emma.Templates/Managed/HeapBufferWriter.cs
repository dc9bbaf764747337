namespace Emma.Templates;

using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrArray = global::System.Array;
using ClrInvalidOperationException = global::System.InvalidOperationException;
using ClrMath = global::System.Math;
using ClrMemoryExtensions = global::System.MemoryExtensions;
using ClrOutOfMemoryException = global::System.OutOfMemoryException;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// A buffer of this heap that grows as it is written to, from <c>CreateBufferWriter</c>: up to <c>Array.MaxLength</c> bytes, one behind
    /// the other. Beyond 2 MiB it grows by moving pages and copies nothing.
    /// </summary>
    /// <remarks>
    /// One thread at a time. A <c>Span</c> of it must not be used after more has been written; a <c>Memory</c> may. While a
    /// <c>Memory</c> is pinned the buffer cannot grow. No finalizer: dispose it.
    /// </remarks>
    public sealed class HeapBufferWriter : global::System.Buffers.IBufferWriter<byte>, global::System.IDisposable
    {
        private const int MinCapacity = 256;
        private const int MinStep = 4096;

        private readonly HeapInternals.Owner<byte> _buffer = new HeapInternals.Owner<byte>();
        private int _written;

        internal HeapBufferWriter(int initialCapacity)
        {
            if (initialCapacity == 0)
                _buffer.BeginEmpty();
            else
                _buffer.Begin(initialCapacity, zeroed: false, token: 0);
        }

        /// <summary>Bytes that were written.</summary>
        public int WrittenCount => _written;

        /// <summary>Bytes that there are, written or not.</summary>
        public int Capacity => _buffer.Length;

        /// <summary>What was written, until more is.</summary>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        public global::System.ReadOnlySpan<byte> WrittenSpan => _buffer.GetSpan().Slice(0, _written);

        /// <summary>What was written so far. It stays valid while more is written.</summary>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        public global::System.ReadOnlyMemory<byte> WrittenMemory => _buffer.Memory.Slice(0, _written);

        /// <summary>Counts bytes as written that were put into what <c>GetSpan</c> or <c>GetMemory</c> returned last.</summary>
        /// <param name="count">Bytes.</param>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
        /// <exception cref="global::System.InvalidOperationException">There is no room for so many: nothing has changed.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        public void Advance(int count)
        {
            ClrArgumentOutOfRangeException.ThrowIfNegative(count);
            if (count > _buffer.GetSpan().Length - _written)
                throw new ClrInvalidOperationException($"{HeapInternals.HeapName}: {count} bytes are more than the buffer has left.");
            _written += count;
        }

        /// <summary>Room to write to.</summary>
        /// <param name="sizeHint">The fewest bytes; 0: at least one.</param>
        /// <returns>All the room there is.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="sizeHint"/> is negative.</exception>
        /// <exception cref="global::System.InvalidOperationException">The buffer would have to grow while it is pinned.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more, or more than
        /// <c>Array.MaxLength</c> bytes are wanted; what was written is there.</exception>
        public global::System.Span<byte> GetSpan(int sizeHint = 0)
        {
            Require(sizeHint);
            return _buffer.GetSpan().Slice(_written);
        }

        /// <summary>Room to write to.</summary>
        /// <param name="sizeHint">The fewest bytes; 0: at least one.</param>
        /// <returns>All the room there is.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="sizeHint"/> is negative.</exception>
        /// <exception cref="global::System.InvalidOperationException">The buffer would have to grow while it is pinned.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more, or more than
        /// <c>Array.MaxLength</c> bytes are wanted; what was written is there.</exception>
        public global::System.Memory<byte> GetMemory(int sizeHint = 0)
        {
            Require(sizeHint);
            return _buffer.Memory.Slice(_written);
        }

        /// <summary>Forgets what was written and keeps the room.</summary>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        public void Clear()
        {
            _buffer.GetSpan();
            _written = 0;
        }

        /// <summary>A stream over what is written, from its beginning: reads, writes, seeks and changes the length.</summary>
        /// <returns>A stream. Its <c>Dispose</c> leaves the writer as it is.</returns>
        public global::System.IO.Stream AsStream() => new HeapInternals.WriterStream(this);

        /// <summary>Gives the memory back, once its last pin is gone. A second call does nothing.</summary>
        public void Dispose() => _buffer.End(0);

        // Sets how many bytes are written; those that were not are zero.
        internal void SetWritten(int count)
        {
            if (count > _written)
                GetSpan(count - _written).Slice(0, count - _written).Clear();
            _buffer.GetSpan();
            _written = count;
        }

        // Writes over what is there, and behind it; bytes in between that were not written are zero. What is written may be part of the
        // buffer, which may move. If this throws, nothing has changed.
        internal void WriteAt(int position, global::System.ReadOnlySpan<byte> bytes)
        {
            bool isOwn = ClrMemoryExtensions.Overlaps(_buffer.GetSpan(), bytes, out int offset);
            long end = (long)position + bytes.Length;
            if (end > _written)
                Require(end - _written);
            global::System.Span<byte> buffer = _buffer.GetSpan();
            if (isOwn)
                bytes = buffer.Slice(offset, bytes.Length);
            if (position > _written)
                buffer.Slice(_written, position - _written).Clear();
            bytes.CopyTo(buffer.Slice(position));
            _written = ClrMath.Max(_written, (int)end);
        }

        // Makes room for so many bytes behind what was written.
        private void Require(long count)
        {
            ClrArgumentOutOfRangeException.ThrowIfNegative(count, "sizeHint");
            int capacity = _buffer.GetSpan().Length;
            long needed = _written + ClrMath.Max(count, 1);
            if (needed <= capacity)
                return;

            if (needed > ClrArray.MaxLength)
            {
                throw new ClrOutOfMemoryException($"{HeapInternals.HeapName}: no buffer writer holds {needed} bytes, at most " +
                    $"{ClrArray.MaxLength}. A sequence writer holds more ({nameof(CreateSequenceWriter)}).");
            }

            // Twice as much; where that is refused, by less and less, but no byte at a time.
            long more = ClrMath.Max(ClrMath.Max(capacity, MinCapacity) - (needed - capacity), 0);
            while (more != 0 && !_buffer.TryResize(LengthFor(needed + more)))
                more = more < MinStep ? 0 : more / 4;
            if (more == 0)
                _buffer.Resize(LengthFor(needed));
        }

        private static int LengthFor(long bytes) => (int)ClrMath.Min((long)GoodSize((nuint)bytes), ClrArray.MaxLength);
    }
}
