namespace Emma.Benchmarks.Footprint;

// The heaps' pages of machine code, which stay when a heap is destroyed: shared mappings of a name that only heaps give.
internal static class HeapCode
{
    private const string Name = "/memfd:emma";
    private const string Permissions = " r-xs ";
    private const string Resident = "Rss:";
    private const string Size = "Size:";

    internal static MemorySnapshot Measure()
    {
        long resident = 0;
        long mapped = 0;
        long mappings = 0;
        bool isCode = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.Contains(Permissions, StringComparison.Ordinal))
            {
                isCode = line.Contains(Name, StringComparison.Ordinal);
                mappings += isCode ? 1 : 0;
            }
            else if (line.Contains('-'))
            {
                isCode = false;
            }
            else if (isCode && line.StartsWith(Resident, StringComparison.Ordinal))
            {
                resident += ReadKilobytes(line);
            }
            else if (isCode && line.StartsWith(Size, StringComparison.Ordinal))
            {
                mapped += ReadKilobytes(line);
            }
        }

        return new MemorySnapshot(resident, mapped, mappings);
    }

    private static long ReadKilobytes(string line) =>
        long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) << 10;
}
