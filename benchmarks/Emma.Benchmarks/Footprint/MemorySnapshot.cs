using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Emma.Benchmarks.Footprint;

// What a process has mapped, to the page, and taken without allocating: the reader must not show in its own figures.
internal readonly record struct MemorySnapshot(long ResidentBytes, long MappedBytes, long Mappings)
{
    private static readonly byte[] s_buffer = GC.AllocateArray<byte>(1 << 16, pinned: true);
    private static readonly byte[] s_residentLabel = Encoding.ASCII.GetBytes("Rss:");
    private static readonly SafeFileHandle s_maps = File.OpenHandle("/proc/self/maps");
    private static readonly SafeFileHandle s_rollup = File.OpenHandle("/proc/self/smaps_rollup");
    private static readonly SafeFileHandle s_statm = File.OpenHandle("/proc/self/statm");

    internal static MemorySnapshot Take()
    {
        int length = RandomAccess.Read(s_rollup, s_buffer, 0);
        ReadOnlySpan<byte> rollup = s_buffer.AsSpan(0, length);
        long resident = ReadNumber(rollup[(rollup.IndexOf(s_residentLabel) + s_residentLabel.Length)..]) << 10;

        length = RandomAccess.Read(s_statm, s_buffer, 0);
        long mapped = ReadNumber(s_buffer.AsSpan(0, length)) * Environment.SystemPageSize;

        long mappings = 0;
        long offset = 0;
        while ((length = RandomAccess.Read(s_maps, s_buffer, offset)) > 0)
        {
            mappings += s_buffer.AsSpan(0, length).Count((byte)'\n');
            offset += length;
        }

        return new MemorySnapshot(resident, mapped, mappings);
    }

    public static MemorySnapshot operator -(MemorySnapshot left, MemorySnapshot right) =>
        new(left.ResidentBytes - right.ResidentBytes, left.MappedBytes - right.MappedBytes, left.Mappings - right.Mappings);

    private static long ReadNumber(ReadOnlySpan<byte> text)
    {
        text = text.TrimStart((byte)' ');
        long number = 0;
        for (int i = 0; i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
            number = number * 10 + text[i] - '0';

        return number;
    }
}
