using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>What this process has of its addresses where it runs on Windows.</summary>
internal static unsafe partial class WindowsMaps
{
    private const uint Committed = 0x1000;
    private const uint Free = 0x10000;
    private const uint NoAccess = 0x01;

    /// <summary>Every range that is not free. One that is only reserved, or closed, has no rights.</summary>
    internal static List<Mapping> Read()
    {
        List<Mapping> found = [];
        MemoryInformation range;
        for (nuint address = 0; TryAsk(address, out range); address = range.Start + range.Bytes)
        {
            if (range.State != Free)
                found.Add(new Mapping(range.Start, range.Start + range.Bytes, CanRead(range) ? "rw-p" : "---p", ""));
        }

        return found;
    }

    /// <summary>Whether the page of an address is committed and not closed.</summary>
    internal static bool CanRead(nuint address) => TryAsk(address, out MemoryInformation range) && CanRead(range);

    private static bool CanRead(in MemoryInformation range) => range.State == Committed && range.Protection != NoAccess;

    // False: no process has such an address.
    private static bool TryAsk(nuint address, out MemoryInformation range)
    {
        fixed (MemoryInformation* answer = &range)
            return Query(address, answer, (nuint)sizeof(MemoryInformation)) != 0;
    }

    [LibraryImport("kernel32", EntryPoint = "VirtualQuery")]
    private static partial nuint Query(nuint address, MemoryInformation* range, nuint bytes);

    // MEMORY_BASIC_INFORMATION.
    [StructLayout(LayoutKind.Sequential)]
    private struct MemoryInformation
    {
        internal nuint Start;
        internal nuint Allocation;
        internal ulong FirstProtection;
        internal nuint Bytes;
        internal uint State;
        internal uint Protection;
        internal ulong Kind;
    }
}
