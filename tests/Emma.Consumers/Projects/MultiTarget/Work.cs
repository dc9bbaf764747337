using System;
using System.Collections.Generic;
using MultiTarget.Memory;

// What a heap and the class that takes its place in older frameworks have in common, in C# 9.
internal static unsafe class Work
{
    // Returns what was not as it has to be, a line each.
    public static string Run()
    {
        var complaints = new List<string>();
        foreach (uint size in new uint[] { 0, 1, 7, 8, 31, 32, 100, 1000, 5000, 70_000, 3 << 20 })
        {
            CheckBlock(size, complaints);
            for (uint alignment = 1; alignment <= 1 << 16; alignment *= 4)
                CheckAligned(size, alignment, complaints);
        }

        CheckElements(complaints);
        CheckHGlobal(complaints);
        CheckRanges(complaints);
        CheckRefusals(complaints);
        return string.Join("\n", complaints);
    }

    private static void CheckBlock(uint size, List<string> complaints)
    {
        byte* block = (byte*)Blocks.Alloc(size);
        Expect(block != null && (nuint)block % 16 == 0, $"{size} bytes: at 0x{(ulong)block:x}", complaints);
        Blocks.Fill(block, size, 7);
        block = (byte*)Blocks.Realloc(block, size * 3 + 5);
        Expect(HoldsOnly(block, size, 7), $"{size} bytes lost contents when they became more", complaints);
        Blocks.Fill(block, size * 3 + 5, 9);
        block = (byte*)Blocks.Realloc(block, size * 2);
        Expect(HoldsOnly(block, size * 2, 9), $"{size * 2} bytes lost contents when they became less", complaints);
        block = (byte*)Blocks.Realloc(block, size / 4);
        Expect(HoldsOnly(block, size / 4, 9), $"{size / 4} bytes lost contents when they became less", complaints);
        Blocks.Free(block);

        block = (byte*)Blocks.AllocZeroed(size);
        Expect(HoldsOnly(block, size, 0), $"{size} bytes are not zero", complaints);
        Blocks.Free(block);
        block = (byte*)Blocks.AllocZeroed(3, size);
        Expect(HoldsOnly(block, 3 * size, 0), $"3 elements of {size} bytes are not zero", complaints);
        Blocks.Free(block);
    }

    private static void CheckAligned(uint size, uint alignment, List<string> complaints)
    {
        byte* block = (byte*)Blocks.AlignedAlloc(size, alignment);
        Expect((nuint)block % alignment == 0, $"{size} bytes at {alignment}: at 0x{(ulong)block:x}", complaints);
        Blocks.Fill(block, size, 5);
        block = (byte*)Blocks.AlignedRealloc(block, size * 2, alignment * 2);
        Expect((nuint)block % (alignment * 2) == 0, $"{size * 2} bytes at {alignment * 2}: at 0x{(ulong)block:x}", complaints);
        Expect(HoldsOnly(block, size, 5), $"{size} bytes at {alignment} lost contents", complaints);
        block = (byte*)Blocks.Realloc(block, size * 4);
        Expect(HoldsOnly(block, size, 5), $"{size} bytes at {alignment} lost contents behind Realloc", complaints);
        Blocks.AlignedFree(block);
    }

    private static void CheckElements(List<string> complaints)
    {
        long* elements = Blocks.Alloc<long>(100);
        for (int i = 0; i < 100; i++)
            elements[i] = i;
        long* one = Blocks.Alloc<long>();
        *one = -1;
        Expect(elements[99] == 99, "elements have changed", complaints);
        Blocks.Free(elements);
        Blocks.Free(one);
        Blocks.Free(Blocks.Realloc(null, 10));
        Blocks.Free(Blocks.AlignedRealloc(null, 10, 64));
#if SPANS
        Span<int> span = Blocks.AllocSpan<int>(1000);
        span.Fill(int.MinValue);
        Expect(span.Length == 1000 && span[999] == int.MinValue, "a span has other elements", complaints);
        Blocks.Free(span);
        Blocks.Free(Blocks.AllocSpan<int>(0));
        Blocks.Free(Span<int>.Empty);
        Refuses<ArgumentOutOfRangeException>(() => Blocks.AllocSpan<int>(-1), "a span of -1 elements", complaints);
#endif
    }

    private static void CheckHGlobal(List<string> complaints)
    {
        IntPtr block = Blocks.AllocHGlobal(100);
        System.Runtime.InteropServices.Marshal.WriteByte(block, 99, 42);
        block = Blocks.ReAllocHGlobal(block, (IntPtr)5000);
        Expect(System.Runtime.InteropServices.Marshal.ReadByte(block, 99) == 42, "ReAllocHGlobal lost contents", complaints);
        Blocks.FreeHGlobal(block);
        Blocks.FreeHGlobal(Blocks.AllocHGlobal((IntPtr)0));
        Blocks.FreeHGlobal(IntPtr.Zero);
    }

    private static void CheckRanges(List<string> complaints)
    {
        const int length = 300;
        byte* block = (byte*)Blocks.Alloc(length);
        byte[] expected = new byte[length];
        var random = new Random(1);
        for (int i = 0; i < 5000; i++)
        {
            int count = random.Next(100), from = random.Next(length - count), to = random.Next(length - count);
            random.NextBytes(expected);
            for (int at = 0; at < length; at++)
                block[at] = expected[at];
            Blocks.Copy(block + from, block + to, (uint)count);
            Array.Copy(expected, from, expected, to, count);
            Blocks.Fill(block + from, (uint)count / 3, unchecked((byte)i));
            for (int at = 0; at < count / 3; at++)
                expected[from + at] = unchecked((byte)i);
            Blocks.Clear(block + to, (uint)count / 5);
            Array.Clear(expected, to, count / 5);
            for (int at = 0; at < length; at++)
            {
                if (block[at] == expected[at])
                    continue;
                complaints.Add($"round {i}: {count} bytes from {from} to {to}: byte {at} is wrong");
                return;
            }
        }

        Blocks.Free(block);
    }

    private static void CheckRefusals(List<string> complaints)
    {
        Blocks.Free(null);
        Refuses<OutOfMemoryException>(() => Blocks.Alloc(~(nuint)0), "all memory", complaints);
        Refuses<OutOfMemoryException>(() => Blocks.Alloc(~(nuint)0 / 2, 3), "a product that overflows", complaints);
        Refuses<OutOfMemoryException>(() => Blocks.AllocZeroed(~(nuint)0 / 4, 4), "all memory of zeros", complaints);
        Refuses<OutOfMemoryException>(() => Blocks.AlignedAlloc(~(nuint)0 - 100, 4096), "all aligned memory", complaints);
        Refuses<OutOfMemoryException>(() => Blocks.AllocHGlobal(-1), "-1 bytes", complaints);
        Refuses<ArgumentException>(() => Blocks.AlignedAlloc(8, 3), "an alignment of 3", complaints);
        Refuses<ArgumentException>(() => Blocks.AlignedAlloc(8, 0), "an alignment of 0", complaints);
        byte* block = (byte*)Blocks.Alloc(100);
        *block = 42;
        Refuses<OutOfMemoryException>(() => Blocks.Realloc(block, ~(nuint)0 - 4096), "all memory for a block", complaints);
        Refuses<ArgumentException>(() => Blocks.AlignedRealloc(block, 100, 12), "an alignment of 12", complaints);
        Expect(*block == 42, "a refused Realloc has changed its block", complaints);
        byte* foreign = stackalloc byte[200];
        foreign = (byte*)(((nuint)foreign + 100) / 16 * 16);
        nuint address = (nuint)foreign;
        Refuses<ArgumentException>(() => Blocks.Free((void*)address), "a pointer to the stack", complaints);
        Refuses<ArgumentException>(() => Blocks.Realloc((void*)address, 10), "a pointer to the stack", complaints);
        Blocks.Free(block);
    }

    private static bool HoldsOnly(byte* block, uint length, byte value)
    {
        for (uint i = 0; i < length; i++)
        {
            if (block[i] != value)
                return false;
        }

        return true;
    }

    private static void Refuses<TException>(Action action, string what, List<string> complaints)
        where TException : Exception
    {
        try
        {
            action();
            complaints.Add(what + " was not refused");
        }
        catch (TException)
        {
        }
    }

    private static void Expect(bool holds, string otherwise, List<string> complaints)
    {
        if (!holds)
            complaints.Add(otherwise);
    }
}
