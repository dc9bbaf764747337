using System.Runtime.CompilerServices;

namespace Emma.Security.Tests;

// The misuse programs of mimalloc-bench's security suite (https://github.com/daanx/mimalloc-bench/tree/master/bench/security), written
// afresh from their descriptions. Each does one thing wrong with a block of some size and returns whether the heap let it happen; an
// exception, a fault or the end of the process says that it did not. `Copy` of the heap stands for memcpy. A program of the suite that
// cannot succeed, because it compares a pointer with itself (realloc_reuse), is written as it was meant.
internal static unsafe class MisusePrograms<T>
    where T : IHeap
{
    private const nuint Mebibyte = 1 << 20;

    // How many allocations and frees follow where many do, and how many bytes they may come to.
    private const int Reuses = 256 * 1024;

    private const int ReusesOfLarge = 16 * 1024;

    private const nuint FilledBytes = 64 << 20;

    internal static readonly IReadOnlyDictionary<string, Func<nuint, bool>> All = new Dictionary<string, Func<nuint, bool>>
    {
        ["one_byte_overflow"] = size => WriteBehind(size, 1),
        ["one_byte_underflow"] = size => WriteBefore(size, 1),
        ["one_byte_memcpy_overflow"] = size => CopyBehind(size, 1),
        ["one_byte_memcpy_underflow"] = size => CopyBefore(size, 1),
        ["32_byte_overflow"] = size => WriteBehind(size, 32),
        ["32_byte_underflow"] = size => WriteBefore(size, 32),
        ["32_byte_memcpy_overflow"] = size => CopyBehind(size, 32),
        ["32_byte_memcpy_underflow"] = size => CopyBefore(size, 32),
        ["one_mbyte_overflow"] = size => WriteBehind(size, Mebibyte),
        ["one_mbyte_underflow"] = size => WriteBefore(size, Mebibyte),
        ["one_mbyte_memcpy_overflow"] = size => CopyBehind(size, Mebibyte),
        ["one_mbyte_memcpy_underflow"] = size => CopyBefore(size, Mebibyte),
        ["double_free"] = size =>
        {
            byte* block = Alloc(size);
            T.Free(block);
            T.Free(block);
            return true;
        },
        ["double_free_delayed"] = size =>
        {
            byte* block = Alloc(size);
            T.Free(block);
            AllocAndFree(size, 1024);
            T.Free(block);
            return true;
        },
        ["double_free_interleaved"] = size =>
        {
            byte* first = Alloc(size);
            byte* second = Alloc(size);
            T.Free(first);
            T.Free(second);
            T.Free(first);
            return true;
        },
        ["double_free_reuse"] = size =>
        {
            byte* block = Alloc(size);
            T.Free(block);
            T.Free(block);
            AllocAndFree(size, ManyOf(size));
            return true;
        },
        ["double_free_single_reuse"] = size =>
        {
            byte* block = Alloc(size);
            T.Free(block);
            byte* next = Alloc(size);
            T.Free(block);
            T.Free(next);
            return true;
        },
        ["invalid_free"] = _ => FreeOf((byte*)1),
        ["invalid_free_alloca"] = size =>
        {
            byte* stack = stackalloc byte[(int)size];
            return FreeOf(stack);
        },
        ["invalid_free_stack"] = _ =>
        {
            ulong local = 0;
            return FreeOf((byte*)&local);
        },
        ["invalid_free_close"] = size => FreeOf(Alloc(size) + 4096),
        ["invalid_free_far"] = size => FreeOf(Alloc(size) + 1024 * Mebibyte),
        ["invalid_free_unaligned"] = size => FreeOf(Alloc(size) + 1),
        ["invalid_free_unaligned_multiple"] = size => FreeOf(Alloc(size) + 8),
        ["malloc_reuse"] = size => IsReused(size, size),
        ["malloc_reuse_downsize"] = size => IsReused(size, size / 2),
        ["realloc_reuse"] = _ =>
        {
            byte* block = Alloc(8);
            return (byte*)T.Realloc(block, 1024) == block;
        },
        ["read_zero_size"] = _ => Read(Alloc(0)),
        ["read_zero_size_free"] = _ =>
        {
            byte* block = Alloc(0);
            Read(block);
            T.Free(block);
            return true;
        },
        ["write_zero_size"] = _ => Write(Alloc(0)),
        ["write_zero_size_free"] = _ =>
        {
            byte* block = Alloc(0);
            Write(block);
            T.Free(block);
            return true;
        },
        ["write_after_free"] = size => WriteFreed(size),
        ["write_after_free_reuse"] = size =>
        {
            WriteFreed(size);
            AllocAndFree(size, ManyOf(size));
            return true;
        },
        ["zero_after_free"] = size =>
        {
            byte* block = Alloc(size);
            Fill(block, size);
            T.Free(block);
            return HoldsAnything(block, size);
        },
        ["zero_on_malloc"] = size =>
        {
            nuint[] blocks = new nuint[(int)Math.Min(4096, FilledBytes / size)];
            for (int i = 0; i < blocks.Length; i++)
                Fill((byte*)(blocks[i] = (nuint)Alloc(size)), size);
            foreach (nuint block in blocks)
                T.Free((void*)block);
            return HoldsAnything(Alloc(size), size);
        },
        ["executable_heap"] = size =>
        {
            byte* block = Alloc(size);
            *block = 0xC3;
            ((delegate* unmanaged<void>)block)();
            return true;
        },
        ["impossibly_large_malloc"] = _ => Alloc(nuint.MaxValue - 1) != null,
    };

    private static byte* Alloc(nuint size) => (byte*)T.Alloc(size);

    private static bool WriteBehind(nuint size, nuint distance)
    {
        byte* block = Alloc(size);
        Change(block + size - 1 + distance);
        T.Free(block);
        return true;
    }

    private static bool WriteBefore(nuint size, nuint distance)
    {
        byte* block = Alloc(size);
        Change(block - distance);
        T.Free(block);
        return true;
    }

    private static bool CopyBehind(nuint size, nuint distance)
    {
        byte[] source = new byte[size + distance];
        byte* block = Alloc(size);
        fixed (byte* bytes = source)
            T.Copy(bytes, block, size + distance);
        return true;
    }

    private static bool CopyBefore(nuint size, nuint distance)
    {
        byte[] source = new byte[size];
        byte* block = Alloc(size);
        fixed (byte* bytes = source)
            T.Copy(bytes, block - distance, size);
        return true;
    }

    private static bool FreeOf(byte* pointer)
    {
        T.Free(pointer);
        return true;
    }

    private static bool IsReused(nuint size, nuint nextSize)
    {
        byte* block = Alloc(size);
        T.Free(block);
        return Alloc(nextSize) == block;
    }

    private static bool WriteFreed(nuint size)
    {
        byte* block = Alloc(size);
        T.Free(block);
        Fill(block, size);
        return true;
    }

    private static int ManyOf(nuint size) => size > 32 * 1024 ? ReusesOfLarge : Reuses;

    private static void AllocAndFree(nuint size, int count)
    {
        for (int i = 0; i < count; i++)
            T.Free(Alloc(size));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Change(byte* address) => Volatile.Write(ref *address, (byte)(Volatile.Read(ref *address) ^ 'A'));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Write(byte* address)
    {
        Volatile.Write(ref *address, (byte)'A');
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Read(byte* address) => Volatile.Read(ref *address) >= 0;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fill(byte* block, nuint size) => new Span<byte>(block, (int)size).Fill((byte)'A');

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool HoldsAnything(byte* block, nuint size) => new Span<byte>(block, (int)size).ContainsAnyExcept((byte)0);
}
