using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

// What of this process is resident, by kind of mapping, read without allocating much: the reader must not show in its own figures.
internal static unsafe class Residents
{
    // Enough for what the kernel says of some 50,000 mappings.
    private const int BufferBytes = 32 << 20;

    // Between these lie the windows of heaps, and nothing else (Window.WideShift, with what is below and above).
    private const ulong LowestWindow = 0x0F00_0000_0000, HighestWindow = 0x5100_0000_0000;

    // Touched before it is first read into.
    private static readonly byte[] s_buffer = NewBuffer();

    internal static IReadOnlyList<string> Kinds { get; } =
        ["heaps' memory", "heaps' code pages", "runtime, code", "runtime, data", "malloc", "GC heap", "files", "other"];

    private enum Kind
    {
        Heaps,
        HeapCode,
        RuntimeCode,
        RuntimeData,
        Malloc,
        Collected,
        Files,
        Other,
    }

    // KiB of each kind.
    internal static void Take(Span<long> kilobytes)
    {
        kilobytes.Clear();
        ReadOnlySpan<byte> text = s_buffer.AsSpan(0, Read());
        (ulong first, ulong end) = FindCollected(text);
        Kind kind = Kind.Other;
        while (!text.IsEmpty)
        {
            ReadOnlySpan<byte> line = NextLine(ref text);
            if (TryReadAddresses(line, out ulong start, out _))
                kind = start >= first && start < end ? Kind.Collected : KindOf(line, start);
            else if (line.StartsWith("Rss:"u8))
                kilobytes[(int)kind] += ReadNumber(line["Rss:"u8.Length..]);
        }
    }

    private static Kind KindOf(ReadOnlySpan<byte> line, ulong start)
    {
        if (line.IndexOf("/memfd:emma"u8) >= 0)
            return Kind.HeapCode;

        // The runtime maps what it writes code to, and what it runs, in two places; data of its own lies in the same file.
        if (line.IndexOf("/memfd:"u8) >= 0)
            return IsExecutable(line) ? Kind.RuntimeCode : Kind.RuntimeData;

        if (line.IndexOf("[heap]"u8) >= 0)
            return Kind.Malloc;

        if (line.IndexOf((byte)'/') >= 0)
            return Kind.Files;

        return start is > LowestWindow and < HighestWindow ? Kind.Heaps : Kind.Other;
    }

    // "start-end rwxp …"
    private static bool IsExecutable(ReadOnlySpan<byte> line) => line[line.IndexOf((byte)' ') + 3] == (byte)'x';

    // The mappings without a gap around an object: what the garbage collector has reserved.
    private static (ulong Start, ulong End) FindCollected(ReadOnlySpan<byte> text)
    {
        // It is pinned.
        ulong address = (ulong)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(s_buffer));
        ulong runStart = 0;
        ulong runEnd = 0;
        while (!text.IsEmpty)
        {
            ReadOnlySpan<byte> line = NextLine(ref text);
            if (!TryReadAddresses(line, out ulong start, out ulong end))
                continue;

            bool isAnonymous = line.IndexOf((byte)'/') < 0 && line.IndexOf((byte)'[') < 0;
            if (!isAnonymous || start != runEnd)
            {
                if (address >= runStart && address < runEnd)
                    break;
                runStart = isAnonymous ? start : 0;
            }

            runEnd = isAnonymous ? end : 0;
        }

        return (runStart, runEnd);
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> text)
    {
        int end = text.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = end < 0 ? text : text[..end];
        text = text[(end < 0 ? text.Length : end + 1)..];
        return line;
    }

    private static bool TryReadAddresses(ReadOnlySpan<byte> line, out ulong start, out ulong end)
    {
        end = 0;
        return Utf8Parser.TryParse(line, out start, out int used, 'x')
            && used < line.Length
            && line[used] == (byte)'-'
            && Utf8Parser.TryParse(line[(used + 1)..], out end, out _, 'x');
    }

    private static long ReadNumber(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text.TrimStart((byte)' '), out long number, out _) ? number : 0;

    private static int Read()
    {
        using SafeFileHandle file = File.OpenHandle("/proc/self/smaps");
        int length = 0;
        for (int read; (read = RandomAccess.Read(file, s_buffer.AsSpan(length), length)) > 0;)
            length += read;

        return length < BufferBytes ? length : throw new InvalidOperationException("There are more mappings than there is room for.");
    }

    private static byte[] NewBuffer()
    {
        byte[] buffer = GC.AllocateArray<byte>(BufferBytes, pinned: true);
        buffer.AsSpan().Fill(1);
        return buffer;
    }
}
