namespace Emma.Soak;

/// <summary>
/// Bytes that tell blocks apart: every position of every block has its own value. Of large blocks only the first bytes, the last ones and a
/// word in each page are written and checked. Allocates nothing, so that forked children may use it.
/// </summary>
public static unsafe class Contents
{
    private const nuint Whole = 4096;
    private const nuint PageSize = 4096;

    public static void Write(nuint block, nuint size, ulong seed)
    {
        nuint words = Math.Min(size, Whole) / 8;
        for (nuint i = 0; i < words; i++)
            ((ulong*)block)[i] = Word(seed, i * 8);
        for (nuint at = Whole; at + 8 <= size; at += PageSize)
            *(ulong*)(block + at) = Word(seed, at);
        for (nuint at = LastBytes(size); at < size; at++)
            *(byte*)(block + at) = Byte(seed, at);
    }

    /// <summary>
    /// The first position that does not hold what was written into a block of some size, of which so many bytes are left; -1 if all do.
    /// </summary>
    public static long FirstDifference(nuint block, nuint size, ulong seed, nuint left)
    {
        nuint words = Math.Min(left, Math.Min(size, Whole)) / 8;
        for (nuint i = 0; i < words; i++)
        {
            if (((ulong*)block)[i] != Word(seed, i * 8))
                return (long)i * 8;
        }

        for (nuint at = Whole; at + 8 <= left && at + 8 <= size; at += PageSize)
        {
            if (*(ulong*)(block + at) != Word(seed, at))
                return (long)at;
        }

        for (nuint at = LastBytes(size); at < left && at < size; at++)
        {
            if (*(byte*)(block + at) != Byte(seed, at))
                return (long)at;
        }

        return -1;
    }

    /// <summary>The first position that <see cref="Write"/> would write and that is not 0, or -1.</summary>
    public static long FirstNonZero(nuint block, nuint size)
    {
        for (nuint at = 0; at < Math.Min(size, Whole); at++)
        {
            if (*(byte*)(block + at) != 0)
                return (long)at;
        }

        for (nuint at = Whole; at + 8 <= size; at += PageSize)
        {
            if (*(ulong*)(block + at) != 0)
                return (long)at;
        }

        return -1;
    }

    // Where the last one to sixteen bytes begin, each of which is written.
    private static nuint LastBytes(nuint size) => size < 16 ? size / 8 * 8 : size - 8;

    private static byte Byte(ulong seed, nuint at) => unchecked((byte)(Word(seed, at & ~(nuint)7) >> (8 * (int)(at & 7))));

    private static ulong Word(ulong seed, nuint at)
    {
        ulong word = unchecked((seed ^ at) * 0x9E37_79B9_7F4A_7C15);
        return word ^ (word >> 29);
    }
}
