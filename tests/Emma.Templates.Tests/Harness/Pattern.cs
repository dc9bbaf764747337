using System.Buffers.Binary;

namespace Emma.Templates.Tests;

/// <summary>Bytes that tell blocks apart: every position of every seed has its own value.</summary>
public static unsafe class Pattern
{
    public static void Write(void* block, nuint size, ulong seed)
    {
        byte* bytes = (byte*)block;
        nuint i = 0;
        for (; i + sizeof(ulong) <= size; i += sizeof(ulong))
            *(ulong*)(bytes + i) = Word(seed, i);
        for (; i < size; i++)
            bytes[i] = ByteAt(seed, i);
    }

    /// <summary>The first position that does not hold the pattern, or -1.</summary>
    public static long FirstDifference(void* block, nuint size, ulong seed)
    {
        byte* bytes = (byte*)block;
        nuint i = 0;
        for (; i + sizeof(ulong) <= size; i += sizeof(ulong))
        {
            if (*(ulong*)(bytes + i) != Word(seed, i))
                break;
        }

        for (; i < size; i++)
        {
            if (bytes[i] != ByteAt(seed, i))
                return (long)i;
        }

        return -1;
    }

    public static bool IsZero(void* block, nuint size)
    {
        for (nuint i = 0; i < size;)
        {
            int length = (int)Math.Min(size - i, 1 << 30);
            if (new ReadOnlySpan<byte>((byte*)block + i, length).ContainsAnyExcept((byte)0))
                return false;
            i += (nuint)length;
        }

        return true;
    }

    private static byte ByteAt(ulong seed, nuint position) =>
        unchecked((byte)(Word(seed, position & ~(nuint)7) >> (8 * (int)(position & 7))));

    private static ulong Word(ulong seed, nuint position) =>
        BinaryPrimitives.ReverseEndianness(unchecked((seed * 0x9E37_79B9_7F4A_7C15) ^ ((ulong)position * 0xD6E8_FEB8_6659_FD93)));
}
