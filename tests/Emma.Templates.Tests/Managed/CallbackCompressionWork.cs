using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class CallbackLibraryWork
        {
            /// <summary>Ten megabytes compressed and expanded again.</summary>
            public static nuint[] Brotli()
            {
                const int quality = 1, window = 2, finish = 2, expanded = 1, memoryLimits = -30, memoryLimitsTo = -21;
                nint packing = Begin("libbrotlienc.so.1");
                nint expanding = NativeLibrary.Load("libbrotlidec.so.1");
                var newPacker = (delegate* unmanaged[Cdecl]<
                    delegate* unmanaged[Cdecl]<void*, nuint, void*>, delegate* unmanaged[Cdecl]<void*, void*, void>, void*, void*>)
                    NativeLibrary.GetExport(packing, "BrotliEncoderCreateInstance");
                var newExpander = (delegate* unmanaged[Cdecl]<
                    delegate* unmanaged[Cdecl]<void*, nuint, void*>, delegate* unmanaged[Cdecl]<void*, void*, void>, void*, void*>)
                    NativeLibrary.GetExport(expanding, "BrotliDecoderCreateInstance");
                var set = (delegate* unmanaged[Cdecl]<void*, int, uint, int>)
                    NativeLibrary.GetExport(packing, "BrotliEncoderSetParameter");
                var pack = (delegate* unmanaged[Cdecl]<void*, int, nuint*, byte**, nuint*, byte**, nuint*, int>)
                    NativeLibrary.GetExport(packing, "BrotliEncoderCompressStream");
                var endPacker = (delegate* unmanaged[Cdecl]<void*, void>)
                    NativeLibrary.GetExport(packing, "BrotliEncoderDestroyInstance");
                var expand = (delegate* unmanaged[Cdecl]<void*, nuint*, byte**, nuint*, byte**, nuint*, int>)
                    NativeLibrary.GetExport(expanding, "BrotliDecoderDecompressStream");
                var errorOf = (delegate* unmanaged[Cdecl]<void*, int>)NativeLibrary.GetExport(expanding, "BrotliDecoderGetErrorCode");
                var endExpander = (delegate* unmanaged[Cdecl]<void*, void>)
                    NativeLibrary.GetExport(expanding, "BrotliDecoderDestroyInstance");
                byte[] data = Repetitive(10_000_000);
                byte[] packed = new byte[data.Length];
                byte[] back = new byte[data.Length];

                (int answer, nuint length) = Pack(5, data, packed);
                Expect.Equal(1, answer);
                Expect.InRange((int)length, 1, data.Length / 2);
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Equal((expanded, 0, (nuint)data.Length), Expand((int)length));
                Expect.True(data.AsSpan().SequenceEqual(back));
                Expect.Equal(0, GetStatistics().LiveBlocks);

                // The packer would end the process: version 1.0.9, Debian's, has no other answer.
                MemoryLimit = SmallLimit;
                Trim();
                (int failed, int error, _) = Expand((int)length);
                Expect.Equal(0, failed);
                Expect.InRange(error, memoryLimits, memoryLimitsTo);
                Expect.True(GetStatistics().FailedAllocations > 0);
                return End();

                (int Answer, nuint Length) Pack(uint how, byte[] from, byte[] to)
                {
                    void* packer = newPacker(Callbacks.OpaqueAlloc, Callbacks.OpaqueFree, null);
                    set(packer, quality, how);
                    set(packer, window, 22);
                    fixed (byte* input = from, output = to)
                    {
                        byte* next = input, free = output;
                        nuint left = (nuint)from.Length, room = (nuint)to.Length, total = 0;
                        int answer = pack(packer, finish, &left, &next, &room, &free, &total);
                        if (answer != 0)
                            Expect.True(GetStatistics().InUseBytes > 1_000_000);
                        endPacker(packer);
                        return (answer, total);
                    }
                }

                (int Answer, int Error, nuint Length) Expand(int count)
                {
                    void* expander = newExpander(Callbacks.OpaqueAlloc, Callbacks.OpaqueFree, null);
                    fixed (byte* input = packed, output = back)
                    {
                        byte* next = input, free = output;
                        nuint left = (nuint)count, room = (nuint)back.Length, total = 0;
                        int answer = expand(expander, &left, &next, &room, &free, &total);
                        int code = errorOf(expander);
                        endExpander(expander);
                        return (answer, answer == expanded ? 0 : code, total);
                    }
                }
            }

            /// <summary>Two megabytes compressed and expanded again.</summary>
            public static nuint[] Bzip2()
            {
                const int ok = 0, finish = 2, ended = 4, noMemory = -3;
                nint library = Begin("libbz2.so.1.0");
                var beginPacking = (delegate* unmanaged[Cdecl]<BzStream*, int, int, int, int>)
                    NativeLibrary.GetExport(library, "BZ2_bzCompressInit");
                var pack = (delegate* unmanaged[Cdecl]<BzStream*, int, int>)NativeLibrary.GetExport(library, "BZ2_bzCompress");
                var endPacking = (delegate* unmanaged[Cdecl]<BzStream*, int>)NativeLibrary.GetExport(library, "BZ2_bzCompressEnd");
                var beginExpanding = (delegate* unmanaged[Cdecl]<BzStream*, int, int, int>)
                    NativeLibrary.GetExport(library, "BZ2_bzDecompressInit");
                var expand = (delegate* unmanaged[Cdecl]<BzStream*, int>)NativeLibrary.GetExport(library, "BZ2_bzDecompress");
                var endExpanding = (delegate* unmanaged[Cdecl]<BzStream*, int>)NativeLibrary.GetExport(library, "BZ2_bzDecompressEnd");
                byte[] data = Repetitive(2_000_000);
                byte[] packed = new byte[data.Length];
                byte[] expanded = new byte[data.Length];
                fixed (byte* from = data, to = packed, back = expanded)
                {
                    BzStream stream = NewStream(from, data.Length, to, packed.Length);
                    Expect.Equal(ok, beginPacking(&stream, 9, 0, 0));
                    Expect.True(GetStatistics().InUseBytes > 5_000_000);
                    Expect.Equal(ended, pack(&stream, finish));
                    int length = (int)stream.OutTotal;
                    Expect.InRange(length, 1, data.Length / 2);
                    Expect.Equal(ok, endPacking(&stream));
                    Expect.Equal(0, GetStatistics().LiveBlocks);

                    stream = NewStream(to, length, back, expanded.Length);
                    Expect.Equal(ok, beginExpanding(&stream, 0, 0));
                    Expect.Equal(ended, expand(&stream));
                    Expect.Equal(data.Length, (int)stream.OutTotal);
                    Expect.True(GetStatistics().InUseBytes > 2_000_000);
                    Expect.Equal(ok, endExpanding(&stream));
                    Expect.True(data.AsSpan().SequenceEqual(expanded));
                    Expect.Equal(0, GetStatistics().LiveBlocks);

                    MemoryLimit = SmallLimit;
                    Trim();
                    stream = NewStream(from, data.Length, to, packed.Length);
                    Expect.Equal(noMemory, beginPacking(&stream, 9, 0, 0));
                    stream = NewStream(to, length, back, expanded.Length);
                    Expect.Equal(ok, beginExpanding(&stream, 0, 0));
                    Expect.Equal(noMemory, expand(&stream));
                    Expect.Equal(ok, endExpanding(&stream));
                    Expect.True(GetStatistics().FailedAllocations > 1);
                }

                return End();

                BzStream NewStream(byte* input, int inputLength, byte* output, int outputLength) => new BzStream
                {
                    In = input,
                    InLength = (uint)inputLength,
                    Out = output,
                    OutLength = (uint)outputLength,
                    Alloc = Callbacks.Bzip2Alloc,
                    Free = Callbacks.OpaqueFree,
                };
            }

            [StructLayout(LayoutKind.Sequential)]
            private struct BzStream
            {
                public byte* In;
                public uint InLength;
                public uint InTotal;
                public uint InTotalHigh;
                public byte* Out;
                public uint OutLength;
                public uint OutTotal;
                public uint OutTotalHigh;
                public void* State;
                public delegate* unmanaged[Cdecl]<void*, int, int, void*> Alloc;
                public delegate* unmanaged[Cdecl]<void*, void*, void> Free;
                public void* Opaque;
            }
        }
    }
}
