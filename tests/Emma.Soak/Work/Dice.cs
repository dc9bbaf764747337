namespace Emma.Soak;

/// <summary>Random numbers without an object: xorshift64*.</summary>
public struct Dice(ulong seed)
{
    private ulong _state = unchecked(seed * 0x9E37_79B9_7F4A_7C15) | 1;

    public int Next(int bound) => (int)((Next() >> 33) % (uint)bound);

    public int Next(int from, int to) => from + Next(to - from);

    private ulong Next()
    {
        _state ^= _state >> 12;
        _state ^= _state << 25;
        _state ^= _state >> 27;
        return unchecked(_state * 0x2545_F491_4F6C_DD1D);
    }
}
