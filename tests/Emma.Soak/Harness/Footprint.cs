using System.Globalization;

namespace Emma.Soak;

/// <summary>What the process has of the kernel: number of mappings, bytes of address space and of memory.</summary>
public readonly record struct Footprint(int Mappings, long VmSize, long VmRss)
{
    public static Footprint Take()
    {
        long size = 0;
        long rss = 0;
        foreach (string line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("VmSize:", StringComparison.Ordinal))
                size = Bytes(line);
            else if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
                rss = Bytes(line);
        }

        return new Footprint(File.ReadLines("/proc/self/maps").Count(), size, rss);
    }

    private static long Bytes(string line) =>
        long.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
}
