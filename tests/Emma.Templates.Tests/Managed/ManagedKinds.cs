using System.Buffers;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Each kind of memory for .NET code, so that all of them go under the same tests.</summary>
        internal static class ManagedKinds
        {
            internal const byte Mark = 7;

            private const int Some = 1000;
            private const int More = 100_000;

            internal static readonly string[] All =
            [
                nameof(Rent), nameof(RentZeroed), nameof(RentPooled), nameof(Pool), nameof(HeapBufferWriter), nameof(Stream),
                nameof(HeapSequenceWriter), nameof(HeapArena), nameof(HeapScopedArena), nameof(AllocHGlobal), nameof(Callbacks),
            ];

            // Takes memory of a kind, lets something happen, uses it further and gives it back. Returns how much was wrong.
            // meanwhile: what happens. Returns whether the heap was destroyed, so that the memory must not be used any more.
            internal static int Use(string kind, Func<bool> meanwhile) => kind switch
            {
                nameof(Rent) => UseOwner(Rent<long>(Some), meanwhile),
                nameof(RentZeroed) => UseOwner(RentZeroed<long>(Some), meanwhile),
                nameof(RentPooled) => UseOwner<long>(RentPooled<long>(Some), meanwhile),
                nameof(Pool) => UseOwner(Pool.Rent(Some), meanwhile),
                nameof(HeapBufferWriter) => UseWriter(meanwhile),
                nameof(Stream) => UseStream(meanwhile),
                nameof(HeapSequenceWriter) => UseSequenceWriter(meanwhile),
                nameof(HeapArena) => UseArena(meanwhile),
                nameof(HeapScopedArena) => UseScopedArena(meanwhile),
                nameof(AllocHGlobal) => UseHGlobal(meanwhile),
                _ => UseCallbacks(meanwhile),
            };

            private static int UseOwner<T>(IMemoryOwner<T> owner, Func<bool> meanwhile)
                where T : unmanaged
            {
                Memory<T> memory = owner.Memory;
                MemoryHandle pin = memory.Pin();
                MemoryMarshal.AsBytes(memory.Span).Fill(Mark);
                int wrong = 0;
                if (meanwhile())
                    wrong += CountUnlessRefused(() => memory.Span.Clear()) + CountUnlessRefused(() => owner.Memory.Pin());
                else
                    wrong += CountUnlessMarked(MemoryMarshal.AsBytes(memory.Span)) + (*(byte*)pin.Pointer == Mark ? 0 : 1);
                pin.Dispose();
                owner.Dispose();
                owner.Dispose();
                return wrong;
            }

            private static int UseWriter(Func<bool> meanwhile)
            {
                HeapBufferWriter writer = CreateBufferWriter();
                Write(writer, Some);
                int wrong = 0;
                if (meanwhile())
                {
                    wrong += CountUnlessRefused(() => writer.GetSpan(1).Clear());
                }
                else
                {
                    Write(writer, More);
                    wrong += CountUnlessMarked(writer.WrittenSpan) + (writer.WrittenCount == Some + More ? 0 : 1);
                }

                writer.Dispose();
                return wrong;
            }

            private static int UseStream(Func<bool> meanwhile)
            {
                HeapBufferWriter writer = CreateBufferWriter();
                Stream stream = writer.AsStream();
                byte[] marks = new byte[More];
                marks.AsSpan().Fill(Mark);
                stream.Write(marks, 0, Some);
                int wrong = 0;
                if (meanwhile())
                {
                    wrong += CountUnlessRefused(() => stream.Write(marks, 0, 1));
                }
                else
                {
                    stream.Write(marks, 0, More);
                    stream.Position = 0;
                    marks.AsSpan().Clear();
                    wrong += stream.Read(marks, 0, More) == More ? 0 : 1;
                    wrong += CountUnlessMarked(marks);
                }

                writer.Dispose();
                return wrong;
            }

            private static int UseSequenceWriter(Func<bool> meanwhile)
            {
                HeapSequenceWriter writer = CreateSequenceWriter();
                Write(writer, Some);
                int wrong = 0;
                if (meanwhile())
                {
                    ReadOnlySequence<byte> written = writer.WrittenSequence;
                    wrong += CountUnlessRefused(() => written.FirstSpan.ToArray()) + CountUnlessRefused(() => writer.GetSpan(1).Clear());
                }
                else
                {
                    Write(writer, More);
                    foreach (ReadOnlyMemory<byte> segment in writer.WrittenSequence)
                        wrong += CountUnlessMarked(segment.Span);
                    wrong += writer.WrittenCount == Some + More ? 0 : 1;
                }

                writer.Dispose();
                return wrong;
            }

            private static int UseArena(Func<bool> meanwhile)
            {
                HeapArena arena = CreateArena();
                Span<byte> block = arena.AllocSpan<byte>(Some);
                block.Fill(Mark);
                int wrong = 0;
                if (meanwhile())
                {
                    // What is left of a chunk is given out without a look at the heap.
                    wrong += CountUnlessRefused(() => arena.Alloc(More)) + CountUnlessRefused(() => arena.Reset());
                }
                else
                {
                    arena.AllocSpan<byte>(More).Clear();
                    wrong += CountUnlessMarked(block);
                    arena.Reset();
                }

                arena.Dispose();
                return wrong;
            }

            private static int UseScopedArena(Func<bool> meanwhile)
            {
                HeapScopedArena arena = ScopedArena(stackalloc byte[256]);
                Span<byte> inBuffer = arena.AllocSpan<byte>(100);
                Span<byte> inHeap = arena.AllocSpan<byte>(Some);
                inBuffer.Fill(Mark);
                inHeap.Fill(Mark);
                int wrong = 0;
                if (meanwhile())
                {
                    try
                    {
                        arena.AllocSpan<byte>(More);
                        wrong++;
                    }
                    catch (ObjectDisposedException)
                    {
                    }
                }
                else
                {
                    arena.AllocSpan<byte>(More).Clear();
                    wrong += CountUnlessMarked(inHeap);
                }

                wrong += CountUnlessMarked(inBuffer);
                arena.Dispose();
                return wrong;
            }

            private static int UseHGlobal(Func<bool> meanwhile)
            {
                nint block = AllocHGlobal(Some);
                new Span<byte>((void*)block, Some).Fill(Mark);
                if (meanwhile())
                {
                    try
                    {
                        FreeHGlobal(block);
                        return 1;
                    }
                    catch (ArgumentException)
                    {
                        return 0;
                    }
                }

                block = ReAllocHGlobal(block, More);
                int wrong = CountUnlessMarked(new Span<byte>((void*)block, Some));
                FreeHGlobal(block);
                return wrong;
            }

            // A pointer of before Destroy would end the process.
            private static int UseCallbacks(Func<bool> meanwhile)
            {
                void* block = Callbacks.Malloc(Some);
                new Span<byte>(block, Some).Fill(Mark);
                if (meanwhile())
                    block = Callbacks.Calloc(1, Some);
                else if (CountUnlessMarked(new Span<byte>(block, Some)) != 0)
                    return 1;
                block = Callbacks.Realloc(block, More);
                Callbacks.Free(block);
                return block == null ? 1 : 0;
            }

            private static void Write(IBufferWriter<byte> writer, int length)
            {
                writer.GetSpan(length)[..length].Fill(Mark);
                writer.Advance(length);
            }

            private static int CountUnlessMarked(ReadOnlySpan<byte> bytes) => bytes.IndexOfAnyExcept(Mark) < 0 ? 0 : 1;

            private static int CountUnlessRefused(Action use)
            {
                try
                {
                    use();
                    return 1;
                }
                catch (ObjectDisposedException)
                {
                    return 0;
                }
            }
        }
    }
}
