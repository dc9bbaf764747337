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

    private static Mapping Parse(string line)
    {
        string[] parts = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string[] ends = parts[0].Split('-');
        var range = new AddressRange(ParseAddress(ends[0]), ParseAddress(ends[1]));
        return new Mapping(range, Permissions: parts[1], Name: parts.Length > 5 ? parts[5] : "");
    }

    private static ulong ParseAddress(string digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
