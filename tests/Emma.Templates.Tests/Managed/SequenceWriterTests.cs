using System.Buffers;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Buffers of many blocks.</summary>
        public sealed class SequenceWriterTests : HeapTest
        {
            [Fact]
            public void What_was_written_is_a_sequence_that_stays_valid_while_more_is_written()
            {
                using HeapSequenceWriter writer = CreateSequenceWriter();
                Expect.True(writer.WrittenSequence.IsEmpty);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                List<byte> expected = [];
                Random random = new Random(3);
                ReadOnlySequence<byte> early = default;
                while (expected.Count < 6 << 20)
                {
                    byte[] bytes = new byte[random.Next(100_000)];
                    random.NextBytes(bytes);
                    if (random.Next(3) == 0)
                    {
                        bytes.CopyTo(writer.GetSpan(bytes.Length));
                        writer.Advance(bytes.Length);
                    }
                    else
                    {
                        writer.Write(bytes);
                    }

                    expected.AddRange(bytes);
                    if (early.IsEmpty)
                        early = writer.WrittenSequence;
                }

                Expect.Equal(expected.Count, writer.WrittenCount);
                Expect.Equal(expected.Count, writer.WrittenSequence.Length);
                Expect.True(writer.WrittenSequence.ToArray().AsSpan().SequenceEqual(expected.ToArray()));
                Expect.True(early.ToArray().AsSpan().SequenceEqual(expected.ToArray().AsSpan(0, (int)early.Length)));
                Expect.InRange(GetStatistics().LiveBlocks, 6, 16);
                writer.Clear();
                Expect.Equal(0, writer.WrittenCount);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Throws<ObjectDisposedException>(() => early.ToArray());
                writer.Write("abc"u8);
                Expect.Equal(3, writer.WrittenSequence.Length);
            }

            [Fact]
            public void A_piece_longer_than_a_segment_is_one_block()
            {
                using HeapSequenceWriter writer = CreateSequenceWriter();
                writer.Write("abc"u8);
                Expect.True(writer.GetMemory(5 << 20).Length >= 5 << 20);
                writer.Advance(5 << 20);
                Expect.Equal((5 << 20) + 3, writer.WrittenSequence.Length);
                Expect.Equal(2, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void Misuse_is_refused_and_a_disposed_writer_too()
            {
                HeapSequenceWriter writer = CreateSequenceWriter();
                Expect.Throws<ArgumentOutOfRangeException>(() => writer.GetSpan(-1).Length);
                Expect.Throws<ArgumentOutOfRangeException>(() => writer.Advance(-1));
                Expect.Throws<InvalidOperationException>(() => writer.Advance(1));
                writer.Write("abc"u8);
                Expect.Throws<InvalidOperationException>(() => writer.Advance(1 << 20));
                writer.Dispose();
                writer.Dispose();
                Expect.Throws<ObjectDisposedException>(() => writer.GetSpan().Length);
                Expect.Equal(0, writer.WrittenCount);
                Expect.Equal(0, GetStatistics().LiveOwners);
            }

            [Fact]
            public void A_pinned_block_outlives_the_writer()
            {
                HeapSequenceWriter writer = CreateSequenceWriter();
                writer.Write("abc"u8);
                MemoryHandle pin = writer.WrittenSequence.First.Pin();
                writer.Dispose();
                Expect.Equal((byte)'a', *(byte*)pin.Pointer);
                pin.Dispose();
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void At_a_limit_it_takes_what_is_left_in_smaller_blocks()
            {
                MemoryLimit = 8 << 20;
                try
                {
                    using HeapSequenceWriter writer = CreateSequenceWriter();
                    Expect.Throws<OutOfMemoryException>((Action)(() =>
                    {
                        while (true)
                            writer.Write(new byte[20_000]);
                    }));
                    Expect.InRange(writer.WrittenCount, 5 << 20, 8 << 20);
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }
        }
    }
}
