using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

// What of this process is resident, by kind of mapping, read without allocating: the reader must not show in its own figures.
internal static unsafe class Residents
{
    // Enough for what the kernel says of some 6000 mappings; touched before it is first read.
    private const int BufferBytes = 4 << 20;

    private const string Maps = "/proc/self/smaps";

    // Between these a heap's windows begin, and nothing else (Window.LowestBase, HighestBase).
    private const ulong LowestWindow = 0x0F00_0000_0000, HighestWindow = 0x5100_0000_0000;

    private static readonly byte[] s_buffer = NewBuffer();

    internal static string[] Kinds { get; } =
        ["heaps' memory", "heaps' code page", "runtime: code", "runtime: loader data", "malloc", "GC heap", "files", "other"];

    // KiB of each kind.
    internal static void Take(Span<long> kilobytes)
    {
        kilobytes.Clear();
        int length = Read();
        ReadOnlySpan<byte> text = s_buffer.AsSpan(0, length);
        (ulong gcStart, ulong gcEnd) = FindCollected(text);
        int kind = 0;
        while (!text.IsEmpty)
        {
            ReadOnlySpan<byte> line = NextLine(ref text);
            if (TryReadAddresses(line, out ulong start, out ulong end))
                kind = KindOf(line, start, start >= gcStart && end <= gcEnd);
            else if (line.StartsWith("Rss:"u8))
                kilobytes[kind] += Number(line);
        }
    }

    private static int KindOf(ReadOnlySpan<byte> line, ulong start, bool isCollected)
    {
        bool isExecutable = line[line.IndexOf((byte)' ')..].Slice(3, 1)[0] == (byte)'x';
        if (line.IndexOf("/memfd:emma"u8) >= 0)
            return 1;
        if (line.IndexOf("/memfd:"u8) >= 0)
            return isExecutable ? 2 : 3;
        if (line.IndexOf("[heap]"u8) >= 0)
            return 4;
        if (isCollected)
            return 5;
        if (line.IndexOf((byte)'/') >= 0)
            return 6;
        return start is > LowestWindow and < HighestWindow ? 0 : 7;
    }

    // The mappings without a gap around an object: the garbage collector's reservation.
    private static (ulong Start, ulong End) FindCollected(ReadOnlySpan<byte> text)
    {
        // Pinned, as are all arrays of its kind.
        ulong address = (ulong)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(s_buffer));
        ulong runStart = 0, runEnd = 0;
        while (!text.IsEmpty)
        {
            ReadOnlySpan<byte> line = NextLine(ref text);
            if (!TryReadAddresses(line, out ulong start, out ulong end))
                continue;
            bool isPlain = line.IndexOf((byte)'/') < 0 && line.IndexOf((byte)'[') < 0;
            if (!isPlain || start != runEnd)
            {
                if (address >= runStart && address < runEnd)
                    break;
                runStart = isPlain ? start : 0;
            }

            runEnd = isPlain ? end : 0;
        }

        return (runStart, runEnd);
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> text)
    {
        int end = text.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = text[..(end < 0 ? text.Length : end)];
        text = text[(end < 0 ? text.Length : end + 1)..];
        return line;
    }

    private static bool TryReadAddresses(ReadOnlySpan<byte> line, out ulong start, out ulong end)
    {
        end = 0;
        return Utf8Parser.TryParse(line, out start, out int used, 'x') && used < line.Length && line[used] == (byte)'-'
            && Utf8Parser.TryParse(line[(used + 1)..], out end, out _, 'x');
    }

    private static long Number(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> digits = line["Rss:".Length..].TrimStart((byte)' ');
        return Utf8Parser.TryParse(digits, out long number, out _) ? number : 0;
    }

    private static int Read()
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(Maps);
        int length = 0;
        for (int read; (read = RandomAccess.Read(file, s_buffer.AsSpan(length), length)) > 0;)
            length += read;
        return length < BufferBytes ? length : throw new InvalidOperationException("More mappings than there is room for.");
    }

    private static byte[] NewBuffer()
    {
        byte[] buffer = GC.AllocateArray<byte>(BufferBytes, pinned: true);
        buffer.AsSpan().Fill(1);
        return buffer;
    }
}
