using System.Globalization;

namespace TwoEmmasOneProcess.Host;

// One line of /proc/self/maps: a stretch of this process's address space.
// Range: its addresses.
// Permissions: four letters, such as rw-p.
// Name: the file that is mapped, or the kernel's word for the memory; empty for anonymous memory.
internal readonly record struct Mapping(AddressRange Range, string Permissions, string Name)
{
    // Whether blocks of a heap could lie here: private, writable memory without a file.
    public bool CanHoldBlocks => Permissions == "rw-p" && Name.Length == 0;

    // Whether this is a heap's page of machine code; the runtime's own code lies in a file of another name.
    public bool IsHeapCode => Permissions == "r-xs" && Name.StartsWith("/memfd:emma", StringComparison.Ordinal);

    public static List<Mapping> ReadAll() => File.ReadLines("/proc/self/maps").Select(Parse).ToList();

    // The bytes that the kernel holds in memory for the mappings that overlap some ranges.
    public static long ReadResident(IReadOnlyCollection<AddressRange> ranges)
    {
        long kibibytes = 0;
        bool overlaps = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            // A mapping's own line comes before those of its figures, whose names begin with a capital.
            if (!char.IsAsciiLetterUpper(line[0]))
                overlaps = ranges.Any(Parse(line).Range.Overlaps);
            else if (overlaps && line.StartsWith("Rss:", StringComparison.Ordinal))
                kibibytes += long.Parse(line[4..^2].Trim(), CultureInfo.InvariantCulture);
        }

        return kibibytes << 10;
    }

    private static Mapping Parse(string line)
    {
        string[] parts = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string[] ends = parts[0].Split('-');
        var range = new AddressRange(ParseAddress(ends[0]), ParseAddress(ends[1]));
        return new Mapping(range, Permissions: parts[1], Name: parts.Length > 5 ? parts[5] : "");
    }

    private static ulong ParseAddress(string digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
