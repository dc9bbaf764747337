using System.Globalization;

namespace Emma.Benchmarks.Processes;

/// <summary>What the kernel says of this process's memory.</summary>
internal static class ProcessMemory
{
    /// <summary>The most bytes that were resident at once so far (VmHWM).</summary>
    internal static long PeakResidentBytes => ReadStatus("VmHWM:");

    internal static long ResidentBytes => ReadStatus("VmRSS:");

    /// <summary>Bytes of the whole machine that a process may still take.</summary>
    internal static long AvailableBytes => ReadKilobytes("/proc/meminfo", "MemAvailable:");

    private static long ReadStatus(string field) => ReadKilobytes("/proc/self/status", field);

    private static long ReadKilobytes(string file, string field)
    {
        string line = File.ReadLines(file).First(text => text.StartsWith(field, StringComparison.Ordinal));
        string kilobytes = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^2];
        return long.Parse(kilobytes, CultureInfo.InvariantCulture) << 10;
    }
}
