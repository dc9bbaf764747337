using System.Diagnostics;
using System.Globalization;

namespace Emma.Templates.Tests;

/// <summary>A line of /proc/self/maps.</summary>
public sealed record Mapping(nuint Start, nuint End, string Rights, string Path)
{
    public bool IsExecutable => Rights[2] == 'x';

    public bool IsWritable => Rights[1] == 'w';

    public bool IsCodePage => Path.StartsWith("/memfd:emma", StringComparison.Ordinal);

    public bool Contains(nuint address) => address >= Start && address < End;
}

/// <summary>What this process has mapped.</summary>
public static class ProcessMaps
{
    public static List<Mapping> Read() =>
        OperatingSystem.IsWindows() ? WindowsMaps.Read() : File.ReadLines("/proc/self/maps").Select(Parse).ToList();

    /// <summary>The executable pages that heaps made: each has one.</summary>
    public static List<Mapping> CodePages() => Read().Where(mapping => mapping.IsCodePage).ToList();

    /// <summary>Whether there is memory at an address, be it closed; on Windows, whether it is committed and not closed.</summary>
    public static bool IsMapped(nuint address) =>
        OperatingSystem.IsWindows() ? WindowsMaps.CanRead(address) : Read().Exists(mapping => mapping.Contains(address));

    /// <summary>
    /// What is mapped at an address, if it is a heap's: its code page, or what lies below the places of others. Elsewhere the kernel may
    /// have given the place to somebody else.
    /// </summary>
    public static Mapping? FindOfHeap(nuint address) => Read().Find(mapping =>
        mapping.Contains(address) && (mapping.IsCodePage || address < unchecked((nuint)(6UL << 44))));

    /// <summary>Bytes mapped between two addresses.</summary>
    public static nuint BytesIn(nuint start, nuint end) => BytesIn(start, end, Read());

    /// <summary>Bytes that some of the mappings have between two addresses.</summary>
    public static nuint BytesIn(nuint start, nuint end, IEnumerable<Mapping> mappings)
    {
        nuint bytes = 0;
        foreach (Mapping mapping in mappings)
        {
            nuint from = Math.Max(mapping.Start, start);
            nuint to = Math.Min(mapping.End, end);
            if (from < to)
                bytes += to - from;
        }

        return bytes;
    }

    /// <summary>Page faults of this process that needed no file: one for each page touched first.</summary>
    public static long MinorFaults()
    {
        Assumption.NotWindows("faults are counted by Linux.");
        return StatField(9);
    }

    /// <summary>Bytes of this process that are in memory.</summary>
    public static long Resident() =>
        OperatingSystem.IsWindows() ? Process.GetCurrentProcess().WorkingSet64 : StatField(23) * Environment.SystemPageSize;

    private static long StatField(int index)
    {
        Assumption.RealKernel("an emulator counts no pages.");
        string stat = File.ReadAllText("/proc/self/stat");
        string behindName = stat[(stat.LastIndexOf(')') + 2)..];
        return long.Parse(behindName.Split(' ')[index - 2], CultureInfo.InvariantCulture);
    }

    private static Mapping Parse(string line)
    {
        string[] parts = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        string[] range = parts[0].Split('-');
        return new Mapping(
            nuint.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            nuint.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            parts[1],
            parts.Length > 5 ? parts[5] : "");
    }
}
