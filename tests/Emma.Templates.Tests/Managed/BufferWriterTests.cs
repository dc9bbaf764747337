using System.Buffers;
using System.IO.Compression;
using System.Text.Json;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Buffers that grow as they are written to, and streams over them.</summary>
        public sealed class BufferWriterTests : HeapTest
        {
            [Theory]
            [InlineData(200)]
            [InlineData(3 << 20)]
            public void A_stream_writes_what_lies_in_its_own_buffer_though_that_moves(int length)
            {
                byte[] bytes = new byte[length];
                new Random(length).NextBytes(bytes);
                using HeapBufferWriter writer = CreateBufferWriter(length);
                // In the way of growth in place.
                void* beside = Alloc((nuint)length);
                Stream stream = writer.AsStream();
                stream.Write(bytes);
                Expect.True(stream.WriteAsync(writer.WrittenMemory).IsCompletedSuccessfully);
                Expect.True(writer.WrittenSpan.Slice(0, length).SequenceEqual(bytes));
                Expect.True(writer.WrittenSpan.Slice(length).SequenceEqual(bytes));
                Free(beside);
            }

            [Fact]
            public void Growth_by_less_than_twice_is_no_failure_and_asks_nobody()
            {
                const int length = 4 << 20;
                int asked = 0;
                using HeapBufferWriter writer = CreateBufferWriter(length);
                long failed = GetStatistics().FailedAllocations;
                // A block of a hardened heap is copied to where it grows.
                MemoryLimit = GetStatistics().MappedBytes + length / 2 + (IsHardened ? length : 0);
                OutOfMemoryHandler = _ =>
                {
                    asked++;
                    return false;
                };
                try
                {
                    writer.Write(new byte[length + 1]);
                    Expect.Equal(failed, GetStatistics().FailedAllocations);
                    Expect.Equal(0, asked);
                    Expect.Throws<OutOfMemoryException>(() => writer.GetSpan(2 * length));
                    Expect.Equal(failed + 1, GetStatistics().FailedAllocations);
                    Expect.Equal(1, asked);
                    Expect.Equal(length + 1, writer.WrittenCount);
                }
                finally
                {
                    OutOfMemoryHandler = null;
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void A_stream_that_has_no_room_is_as_it_was()
            {
                using HeapBufferWriter writer = CreateBufferWriter();
                Stream stream = writer.AsStream();
                stream.Write([1, 2, 3]);
                stream.Position = Array.MaxLength - 10;
                Expect.Throws<OutOfMemoryException>(() => stream.Write(new byte[100]));
                Expect.Equal(3, stream.Length);
                Expect.True(writer.Capacity < 1 << 20);
                Expect.True(writer.WrittenSpan.SequenceEqual<byte>([1, 2, 3]));
            }

            [Fact]
            public void What_was_written_is_there_however_often_the_buffer_grew()
            {
                using HeapBufferWriter writer = CreateBufferWriter();
                Expect.Equal(0, GetStatistics().LiveBlocks);
                List<byte> expected = [];
                Random random = new Random(3);
                while (expected.Count < 5 << 20)
                {
                    byte[] bytes = new byte[random.Next(50_000)];
                    random.NextBytes(bytes);
                    writer.Write(bytes);
                    expected.AddRange(bytes);
                    Expect.Equal(1, GetStatistics().LiveBlocks);
                }

                Expect.Equal(expected.Count, writer.WrittenCount);
                Expect.True(writer.WrittenSpan.SequenceEqual(expected.ToArray()));
                writer.Clear();
                Expect.Equal(0, writer.WrittenCount);
                Expect.True(writer.Capacity >= expected.Count);
                writer.Dispose();
                writer.Dispose();
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Equal(0, GetStatistics().LiveOwners);
            }

            [Fact]
            public void A_Memory_stays_valid_while_the_buffer_grows()
            {
                using HeapBufferWriter writer = CreateBufferWriter(16);
                Memory<byte> room = writer.GetMemory();
                room.Span[0] = 42;
                writer.Advance(1);
                ReadOnlyMemory<byte> written = writer.WrittenMemory;
                for (int i = 0; i < 22; i++)
                    writer.GetSpan(1 << i);
                Expect.Equal(1, written.Length);
                Expect.Equal(42, written.Span[0]);
                Expect.Equal(42, room.Span[0]);
            }

            [Fact]
            public void A_pinned_buffer_refuses_to_grow_and_grows_again_when_it_is_free()
            {
                using HeapBufferWriter writer = CreateBufferWriter(100);
                using (writer.WrittenMemory.Pin())
                {
                    writer.GetSpan(100);
                    Expect.Throws<InvalidOperationException>(() => writer.GetSpan(writer.Capacity + 1).Length);
                }

                writer.GetSpan(writer.Capacity + 1);
            }

            [Fact]
            public void Misuse_is_refused_and_changes_nothing()
            {
                Expect.Throws<ArgumentOutOfRangeException>(() => CreateBufferWriter(-1));
                HeapBufferWriter writer = CreateBufferWriter();
                Expect.Throws<ArgumentOutOfRangeException>(() => writer.GetSpan(-1).Length);
                Expect.Throws<ArgumentOutOfRangeException>(() => writer.GetMemory(-1).Length);
                Expect.Throws<ArgumentOutOfRangeException>(() => writer.Advance(-1));
                Expect.Throws<InvalidOperationException>(() => writer.Advance(1));
                writer.Write("abc"u8);
                ReadOnlyMemory<byte> written = writer.WrittenMemory;
                Expect.Throws<InvalidOperationException>(() => writer.Advance(writer.Capacity));
                Expect.Contains("sequence writer", Expect.Throws<OutOfMemoryException>(() => writer.GetSpan(int.MaxValue).Length).Message);
                Expect.True(writer.WrittenSpan.SequenceEqual("abc"u8));
                writer.Dispose();
                Expect.Throws<ObjectDisposedException>(() => writer.WrittenSpan.Length);
                Expect.Throws<ObjectDisposedException>(() => written.Span.Length);
                Expect.Throws<ObjectDisposedException>(() => writer.GetSpan().Length);
                Expect.Throws<ObjectDisposedException>(() => writer.Advance(0));
                Expect.Throws<ObjectDisposedException>(() => writer.Clear());
                Expect.Throws<ObjectDisposedException>(() => writer.AsStream().Position);
            }

            [Fact]
            public void A_writer_of_before_Destroy_is_refused_and_frees_nothing()
            {
                HeapBufferWriter writer = CreateBufferWriter(100);
                Destroy();
                void* next = Alloc(100);
                Expect.Throws<ObjectDisposedException>(() => writer.GetSpan().Length);
                writer.Dispose();
                Expect.Equal(1, GetStatistics().LiveBlocks);
                Free(next);
            }

            [Fact]
            public void At_a_limit_it_grows_by_what_is_needed_where_twice_as_much_is_refused()
            {
                MemoryLimit = 16 << 20;
                try
                {
                    using HeapBufferWriter writer = CreateBufferWriter();
                    Expect.Throws<OutOfMemoryException>((Action)(() =>
                    {
                        while (true)
                            writer.Write(new byte[100_000]);
                    }));
                    Expect.InRange(writer.WrittenCount, 8 << 20, 16 << 20);
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void Utf8JsonWriter_writes_into_it()
            {
                using HeapBufferWriter buffer = CreateBufferWriter();
                using (Utf8JsonWriter json = new Utf8JsonWriter(buffer))
                    JsonSerializer.Serialize(json, Enumerable.Range(0, 10_000));
                Expect.Equal(Enumerable.Range(0, 10_000), JsonSerializer.Deserialize<int[]>(buffer.WrittenSpan)!);
            }

            [Fact]
            public void A_stream_over_it_does_what_a_MemoryStream_does()
            {
                using HeapBufferWriter writer = CreateBufferWriter();
                using Stream actual = writer.AsStream();
                using MemoryStream expected = new MemoryStream();
                Random random = new Random(17);
                byte[] bytes = new byte[3000];
                for (int i = 0; i < 5000; i++)
                {
                    int count = random.Next(bytes.Length);
                    random.NextBytes(bytes);
                    switch (random.Next(9))
                    {
                        case 0:
                            actual.Write(bytes, 0, count);
                            expected.Write(bytes, 0, count);
                            break;
                        case 1:
                            Expect.True(actual.WriteAsync(bytes.AsMemory(0, count)).IsCompletedSuccessfully);
                            expected.Write(bytes, 0, count);
                            break;
                        case 2:
                            byte[] other = new byte[bytes.Length];
                            int read = expected.Read(bytes, 0, count);
                            Expect.Equal(read, actual.ReadAsync(other.AsMemory(0, count)).Result);
                            Expect.True(bytes.AsSpan(0, read).SequenceEqual(other.AsSpan(0, read)));
                            break;
                        case 3:
                            Expect.Equal(expected.ReadByte(), actual.ReadByte());
                            break;
                        case 4:
                            actual.WriteByte(unchecked((byte)count));
                            expected.WriteByte(unchecked((byte)count));
                            break;
                        case 5:
                            Expect.Equal(expected.Seek(count, SeekOrigin.Begin), actual.Seek(count, SeekOrigin.Begin));
                            break;
                        case 6:
                            long back = Math.Max(-count, -expected.Length);
                            Expect.Equal(expected.Seek(back, SeekOrigin.End), actual.Seek(back, SeekOrigin.End));
                            break;
                        case 7:
                            Expect.Equal(expected.Seek(7, SeekOrigin.Current), actual.Seek(7, SeekOrigin.Current));
                            break;
                        default:
                            expected.SetLength(count * 4);
                            actual.SetLength(count * 4);
                            break;
                    }

                    Expect.Equal(expected.Length, actual.Length);
                    Expect.Equal(expected.Position, actual.Position);
                }

                Expect.True(writer.WrittenSpan.SequenceEqual(expected.ToArray()));
            }

            [Fact]
            public void A_stream_takes_and_gives_what_others_compress_and_leaves_the_writer_open()
            {
                byte[] data = new byte[300_000];
                new Random(5).NextBytes(data.AsSpan(0, 100_000));
                using HeapBufferWriter writer = CreateBufferWriter();
                using (GZipStream zip = new GZipStream(writer.AsStream(), CompressionLevel.Fastest))
                    zip.Write(data);
                MemoryStream plain = new MemoryStream();
                using (GZipStream zip = new GZipStream(writer.AsStream(), CompressionMode.Decompress))
                    zip.CopyTo(plain);
                Expect.True(plain.ToArray().AsSpan().SequenceEqual(data));
            }

            [Fact]
            public void A_closed_stream_and_places_that_no_buffer_has_are_refused()
            {
                using HeapBufferWriter writer = CreateBufferWriter();
                Stream stream = writer.AsStream();
                Expect.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
                Expect.Throws<IOException>(() => stream.Seek(long.MaxValue, SeekOrigin.Current));
                Expect.Throws<ArgumentException>(() => stream.Seek(0, (SeekOrigin)9));
                Expect.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
                Expect.Throws<ArgumentOutOfRangeException>(() => stream.SetLength(long.MaxValue));
                Expect.Throws<ArgumentOutOfRangeException>(() => stream.Write(new byte[1], 1, 1));
                stream.Dispose();
                Expect.False(stream.CanRead || stream.CanWrite || stream.CanSeek);
                Expect.Throws<ObjectDisposedException>(() => stream.Write("a"u8));
                Expect.Throws<ObjectDisposedException>(() => stream.Length);
            }
        }
    }
}
