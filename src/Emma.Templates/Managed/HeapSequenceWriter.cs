namespace Emma.Templates;

using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrInvalidOperationException = global::System.InvalidOperationException;
using ClrMath = global::System.Math;
using ClrObjectDisposedException = global::System.ObjectDisposedException;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// A buffer of many blocks of this heap, from <c>CreateSequenceWriter</c>: the first of 64 KiB, further ones twice as long each, up to
    /// 1 MiB. What was written never moves, and may be more than 2 GiB.
    /// </summary>
    /// <remarks>One thread at a time. No finalizer: dispose it.</remarks>
    public sealed class HeapSequenceWriter : global::System.Buffers.IBufferWriter<byte>, global::System.IDisposable
    {
        private const int MinSegmentBytes = 64 << 10;

        // Where longer ones are refused.
        private const int LeastSegmentBytes = 4 << 10;

        private const int MaxSegmentBytes = 1 << 20;

        private HeapInternals.SequenceSegment? _first;
        private HeapInternals.SequenceSegment? _last;
        private int _segmentBytes = MinSegmentBytes;

        internal HeapSequenceWriter()
        {
        }

        /// <summary>Bytes that were written.</summary>
        public long WrittenCount => _last?.End ?? 0;

        /// <summary>What was written so far. It stays valid while more is written, until <c>Clear</c> or <c>Dispose</c>.</summary>
        public global::System.Buffers.ReadOnlySequence<byte> WrittenSequence =>
            _first is null ? default : new global::System.Buffers.ReadOnlySequence<byte>(_first, 0, _last!, _last!.Written);

        /// <summary>Counts bytes as written that were put into what <c>GetSpan</c> or <c>GetMemory</c> returned last.</summary>
        /// <param name="count">Bytes.</param>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
        /// <exception cref="global::System.InvalidOperationException">There is no room for so many: nothing has changed.</exception>
        public void Advance(int count)
        {
            ClrArgumentOutOfRangeException.ThrowIfNegative(count);
            if (count > (_last is null ? 0 : _last.Room.Length))
                throw new ClrInvalidOperationException($"{HeapInternals.HeapName}: {count} bytes are more than the buffer has left.");
            _last?.Advance(count);
        }

        /// <summary>Room to write to.</summary>
        /// <param name="sizeHint">The fewest bytes, one behind the other; 0: at least one.</param>
        /// <returns>The room that the last block has.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="sizeHint"/> is negative.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; what was written
        /// is there.</exception>
        public global::System.Memory<byte> GetMemory(int sizeHint = 0)
        {
            ClrArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
            if (_segmentBytes == 0)
                throw new ClrObjectDisposedException(nameof(HeapSequenceWriter));

            int needed = ClrMath.Max(sizeHint, 1);
            if (_last is not null)
            {
                global::System.Memory<byte> room = _last.Room;
                if (room.Length >= needed)
                    return room;
            }

            HeapInternals.SequenceSegment segment = new HeapInternals.SequenceSegment(Rent(needed), WrittenCount);
            _last?.Precede(segment);
            _first ??= segment;
            _last = segment;
            return segment.Room;
        }

        /// <summary>Room to write to.</summary>
        /// <param name="sizeHint">The fewest bytes, one behind the other; 0: at least one.</param>
        /// <returns>The room that the last block has.</returns>
        /// <exception cref="global::System.ArgumentOutOfRangeException"><paramref name="sizeHint"/> is negative.</exception>
        /// <exception cref="global::System.ObjectDisposedException">The writer was disposed, or the heap destroyed.</exception>
        /// <exception cref="global::System.OutOfMemoryException">The memory limit is reached, or the kernel has no more; what was written
        /// is there.</exception>
        public global::System.Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        /// <summary>Forgets what was written and frees its blocks.</summary>
        public void Clear()
        {
            HeapInternals.SequenceSegment? segment = _first;
            _first = null;
            _last = null;
            for (; segment is not null; segment = segment.Following)
                segment.Free();
        }

        /// <summary>Frees the blocks, each once its last pin is gone. A second call does nothing.</summary>
        public void Dispose()
        {
            _segmentBytes = 0;
            Clear();
        }

        // A block of the length that comes next, or of what is needed if that is more; a shorter one where memory is short.
        private HeapInternals.Owner<byte> Rent(int needed)
        {
            HeapInternals.Owner<byte> block = new HeapInternals.Owner<byte>();
            int least = ClrMath.Max(needed, LeastSegmentBytes);
            int bytes = ClrMath.Max(needed, _segmentBytes);
            while (bytes > least && !block.TryBegin(bytes))
                bytes = ClrMath.Max(bytes / 2, least);
            if (bytes == least)
                block.Begin(bytes, zeroed: false, token: 0);
            _segmentBytes = ClrMath.Min(2 * _segmentBytes, MaxSegmentBytes);
            return block;
        }
    }
}
