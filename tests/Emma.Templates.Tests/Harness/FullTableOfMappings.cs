using System.Runtime.CompilerServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Fills the process's table of mappings (vm.max_map_count) but for a few, and empties it again.
        private sealed class FullTableOfMappings : IDisposable
        {
            private const nuint Page = AddressSpace.SmallestPage;

            private readonly nuint _start = unchecked((nuint)0x6200_0000_0000UL);
            private readonly nuint _count;
            private readonly NoCollections _noCollections = new NoCollections();

            internal FullTableOfMappings(int leave)
            {
                Assumption.NotWindows("there is no table of mappings to be full.");
                // The runtime maps what it compiles, and could not when the table is full.
                RuntimeHelpers.PrepareMethod(((Action)Dispose).Method.MethodHandle);

                // Every second page, so that no two make one mapping.
                nuint address = _start;
                while (Syscalls.Mmap(address, Page, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress) == (nint)address)
                    address += 2 * Page;
                _count = (address - _start) / (2 * Page);
                for (int i = 0; i < leave; i++)
                    Syscalls.Munmap(_start + (nuint)i * 2 * Page, Page);
            }

            public void Dispose()
            {
                // From the ends of the range, where nothing has to be split.
                for (nuint i = 0; i < _count; i++)
                    Syscalls.Munmap(_start + i * 2 * Page, Page);
                _noCollections.Dispose();
            }
        }
    }
}
