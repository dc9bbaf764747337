namespace Emma.Templates;

using ClrArgumentException = global::System.ArgumentException;
using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrArray = global::System.Array;
using ClrCancellationToken = global::System.Threading.CancellationToken;
using ClrIOException = global::System.IO.IOException;
using ClrMath = global::System.Math;
using ClrObjectDisposedException = global::System.ObjectDisposedException;
using ClrSeekOrigin = global::System.IO.SeekOrigin;
using ClrTask = global::System.Threading.Tasks.Task;
using ClrValueTask = global::System.Threading.Tasks.ValueTask;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What a buffer writer has as a stream. Nothing of it waits: its asynchronous methods end before they return.
        internal sealed class WriterStream : global::System.IO.Stream
        {
            private HeapBufferWriter? _writer;
            private int _position;

            internal WriterStream(HeapBufferWriter writer) => _writer = writer;

            public override bool CanRead => _writer is not null;

            public override bool CanSeek => _writer is not null;

            public override bool CanWrite => _writer is not null;

            public override long Length => Writer.WrittenCount;

            public override long Position
            {
                get
                {
                    Writer.Advance(0);
                    return _position;
                }

                set
                {
                    Writer.Advance(0);
                    if (value < 0 || value > ClrArray.MaxLength)
                        throw new ClrArgumentOutOfRangeException(nameof(value));
                    _position = (int)value;
                }
            }

            private HeapBufferWriter Writer => _writer ?? throw new ClrObjectDisposedException(nameof(global::System.IO.Stream));

            public override int Read(global::System.Span<byte> buffer)
            {
                global::System.ReadOnlySpan<byte> written = Writer.WrittenSpan;
                int count = ClrMath.Clamp(written.Length - _position, 0, buffer.Length);
                if (count == 0)
                    return 0;

                written.Slice(_position, count).CopyTo(buffer);
                _position += count;
                return count;
            }

            public override int Read(byte[] buffer, int offset, int count)
            {
                ValidateBufferArguments(buffer, offset, count);
                return Read(new global::System.Span<byte>(buffer, offset, count));
            }

            public override int ReadByte()
            {
                byte value = 0;
                return Read(new global::System.Span<byte>(&value, 1)) == 0 ? -1 : value;
            }

            public override global::System.Threading.Tasks.ValueTask<int> ReadAsync(
                global::System.Memory<byte> buffer, ClrCancellationToken cancellationToken = default) =>
                cancellationToken.IsCancellationRequested
                ? ClrValueTask.FromCanceled<int>(cancellationToken)
                : new global::System.Threading.Tasks.ValueTask<int>(Read(buffer.Span));

            public override global::System.Threading.Tasks.Task<int> ReadAsync(
                byte[] buffer, int offset, int count, ClrCancellationToken cancellationToken) =>
                cancellationToken.IsCancellationRequested
                ? ClrTask.FromCanceled<int>(cancellationToken)
                : ClrTask.FromResult(Read(buffer, offset, count));

            public override void Write(global::System.ReadOnlySpan<byte> buffer)
            {
                Writer.WriteAt(_position, buffer);
                _position += buffer.Length;
            }

            public override void Write(byte[] buffer, int offset, int count)
            {
                ValidateBufferArguments(buffer, offset, count);
                Write(new global::System.ReadOnlySpan<byte>(buffer, offset, count));
            }

            public override void WriteByte(byte value) => Write(new global::System.ReadOnlySpan<byte>(&value, 1));

            public override ClrValueTask WriteAsync(
                global::System.ReadOnlyMemory<byte> buffer, ClrCancellationToken cancellationToken = default)
            {
                if (cancellationToken.IsCancellationRequested)
                    return ClrValueTask.FromCanceled(cancellationToken);

                Write(buffer.Span);
                return default;
            }

            public override ClrTask WriteAsync(byte[] buffer, int offset, int count, ClrCancellationToken cancellationToken)
            {
                if (cancellationToken.IsCancellationRequested)
                    return ClrTask.FromCanceled(cancellationToken);

                Write(buffer, offset, count);
                return ClrTask.CompletedTask;
            }

            public override void Flush()
            {
            }

            public override ClrTask FlushAsync(ClrCancellationToken cancellationToken) => ClrTask.CompletedTask;

            public override long Seek(long offset, ClrSeekOrigin origin)
            {
                long start = origin switch
                {
                    ClrSeekOrigin.Begin => 0,
                    ClrSeekOrigin.Current => _position,
                    ClrSeekOrigin.End => Length,
                    _ => throw new ClrArgumentException($"{HeapName}: {origin} is no origin.", nameof(origin)),
                };
                if (offset < -start || offset > ClrArray.MaxLength - start)
                    throw new ClrIOException($"{HeapName}: the position would be before the beginning, or beyond any buffer.");
                return Position = start + offset;
            }

            public override void SetLength(long value)
            {
                if (value < 0 || value > ClrArray.MaxLength)
                    throw new ClrArgumentOutOfRangeException(nameof(value));
                Writer.SetWritten((int)value);
                _position = ClrMath.Min(_position, (int)value);
            }

            protected override void Dispose(bool disposing) => _writer = null;
        }
    }
}
