using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

// What of this process's memory is resident, by address.
internal static unsafe partial class ResidentMemory
{
    private const nuint PageBytes = 4096;

    // Resident pages of what is mapped between two addresses, multiples of a page.
    internal static int PagesIn(nuint start, nuint end)
    {
        Assumption.NotWindows("which pages are in memory, Linux is asked for.");
        int pages = 0;
        foreach (Mapping mapping in ProcessMaps.Read())
        {
            nuint from = Math.Max(mapping.Start, start);
            nuint to = Math.Min(mapping.End, end);
            if (from >= to)
                continue;

            byte[] resident = new byte[(to - from) / PageBytes];
            Expect.Equal(0, Resident((void*)from, to - from, resident));
            pages += resident.Count(page => (page & 1) != 0);
        }

        return pages;
    }

    [LibraryImport("libc", EntryPoint = "mincore")]
    private static partial int Resident(void* address, nuint length, [Out] byte[] pages);
}
