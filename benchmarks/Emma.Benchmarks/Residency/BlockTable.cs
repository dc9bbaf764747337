using System.Runtime.CompilerServices;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Residency;

// A range of sizes, each doubling as likely as the others.
internal readonly record struct SizeRange(int Least, int Most)
{
    internal uint Draw(ref XorShift random) => (uint)(Least * Math.Pow((double)Most / Least, random.NextDouble()));
}

// The live blocks of one thread, in an array that was resident before. A block holds its size in its first bytes, and each of its pages is
// written to.
internal sealed unsafe class BlockTable
{
    private const int PageBytes = 4096;

    private readonly nint[] _blocks;
    private XorShift _random;
    private int _count;
    private long _bytes;

    internal BlockTable(int capacity, ulong seed)
    {
        _blocks = new nint[capacity];
        Array.Fill(_blocks, 1);
        _random = new XorShift(seed);
    }

    internal long Bytes => Volatile.Read(ref _bytes);

    // Allocates until so many bytes are live.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void GrowTo<TAllocator>(long bytes, SizeRange sizes)
        where TAllocator : struct, IAllocator
    {
        while (_bytes < bytes)
            Add<TAllocator>(sizes);
    }

    // Frees blocks at random until no more bytes are live.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void ShrinkTo<TAllocator>(long bytes)
        where TAllocator : struct, IAllocator
    {
        while (_count > 0 && _bytes > bytes)
            Remove<TAllocator>();
    }

    // Frees blocks at random, so many bytes, and allocates others, so that a given number of bytes is live, give or take a block. Some of
    // the blocks are exchanged with another thread, which frees them.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal void Replace<TAllocator>(long traffic, long target, SizeRange sizes, Mailbox mailbox)
        where TAllocator : struct, IAllocator
    {
        while (traffic > 0 && _count > 0)
        {
            long before = _bytes;
            Remove<TAllocator>();
            traffic -= before - _bytes;
            while (_bytes > target && _count > 0)
                Remove<TAllocator>();
            while (_bytes < target)
                Add<TAllocator>(sizes);

            int index = (int)_random.Below((uint)_count);
            long own = SizeOf(_blocks[index]);
            _blocks[index] = mailbox.Exchange(_blocks[index], ref _random);
            _bytes += SizeOf(_blocks[index]) - own;
        }
    }

    private static int SizeOf(nint block) => *(int*)block;

    private void Add<TAllocator>(SizeRange sizes)
        where TAllocator : struct, IAllocator
    {
        uint size = sizes.Draw(ref _random);
        byte* block = (byte*)TAllocator.Alloc(size);
        for (uint offset = 0; offset < size; offset += PageBytes)
            block[offset] = 1;
        block[size - 1] = 1;
        *(int*)block = (int)size;
        _blocks[_count++] = (nint)block;
        _bytes += size;
    }

    private void Remove<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        int index = (int)_random.Below((uint)_count);
        nint block = _blocks[index];
        _blocks[index] = _blocks[--_count];
        _bytes -= SizeOf(block);
        TAllocator.Free((void*)block);
    }
}

// Where threads leave blocks for one another: a few, each taken by whoever brings the next.
internal sealed unsafe class Mailbox
{
    private const int Places = 8;
    private const int FirstSize = 64;

    // So many exchanges are asked for before one is made.
    private const uint Seldom = 16;

    private readonly nint[] _places = new nint[Places];

    internal void Fill<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        foreach (ref nint place in _places.AsSpan())
        {
            place = (nint)TAllocator.Alloc(FirstSize);
            *(int*)place = FirstSize;
        }
    }

    internal void Empty<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        foreach (ref nint place in _places.AsSpan())
        {
            TAllocator.Free((void*)place);
            place = 0;
        }
    }

    // Another thread's block, or the same one.
    internal nint Exchange(nint block, ref XorShift random)
    {
        uint choice = random.Below(Places * Seldom);
        return choice < Places ? Interlocked.Exchange(ref _places[choice], block) : block;
    }
}
