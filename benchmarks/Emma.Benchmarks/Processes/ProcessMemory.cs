using System.Globalization;

namespace Emma.Benchmarks.Processes;

// What the kernel says of this process's memory.
internal static class ProcessMemory
{
    // The most bytes that were resident at once so far (VmHWM).
    internal static long PeakResidentBytes => ReadStatus("VmHWM:");

    internal static long ResidentBytes => ReadStatus("VmRSS:");

    // Bytes of the whole machine that a process may still take.
    internal static long AvailableBytes => ReadKilobytes("/proc/meminfo", "MemAvailable:");

    private static long ReadStatus(string field) => ReadKilobytes("/proc/self/status", field);

    private static long ReadKilobytes(string file, string field)
    {
        string line = File.ReadLines(file).First(text => text.StartsWith(field, StringComparison.Ordinal));
        string kilobytes = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^2];
        return long.Parse(kilobytes, CultureInfo.InvariantCulture) << 10;
    }
}
