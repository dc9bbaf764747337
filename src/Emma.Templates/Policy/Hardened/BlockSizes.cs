namespace Emma.Templates;

using ClrMemoryMarshal = global::System.Runtime.InteropServices.MemoryMarshal;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The bytes of each page class's blocks, 0 for what is no slab, once more, as a table: the bins, which say it too, lie in cache
        // lines that other threads write to.
        internal static class BlockSizes
        {
            private static global::System.ReadOnlySpan<ushort> Table => new ushort[]
            {
                0,
                16, 32, 48, 64, 80, 96, 112, 128,
                144, 160, 176, 192, 208, 224, 240, 256,
                288, 320, 352, 384, 416, 448, 480, 512,
                576, 640, 704, 768, 832, 896, 960, 1024,
                1152, 1280, 1408, 1536, 1664, 1792, 1920, 2048,
                2304, 2560, 2816, 3072, 3328, 3584, 3840, 4096,
                4608, 5120, 5632, 6144, 6656, 7168, 7680, 8192,
                9216, 10240, 11264, 12288, 13312, 14336, 15360, 16384,
                18432, 20480, 22528, 24576, 26624, 28672, 30720, 32768,
                0, 0, 0, 0,
                0, 0, 0, 0,
            };

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint Of(nuint sizeClass) => ClrUnsafe.Add(ref ClrMemoryMarshal.GetReference(Table), sizeClass);
        }
    }
}
