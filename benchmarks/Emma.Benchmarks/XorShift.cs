using System.Runtime.CompilerServices;

namespace Emma.Benchmarks;

// Marsaglia's xorshift64*: a few cycles a number, so that the allocator is what the time goes to.
internal struct XorShift(ulong seed)
{
    private ulong _state = (seed + 1) * 0x9E3779B97F4A7C15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal uint Next()
    {
        ulong x = _state;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        _state = x;
        return (uint)((x * 0x2545F4914F6CDD1D) >> 32);
    }

    // A number from 0 to one less than a bound.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal uint Below(uint bound) => (uint)(((ulong)Next() * bound) >> 32);

    // A number from 0 to less than 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal double NextDouble() => Next() * (1.0 / (1L << 32));
}
