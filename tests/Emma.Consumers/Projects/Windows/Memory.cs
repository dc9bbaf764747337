using System.Runtime.InteropServices;

namespace Windows;

/// <summary>What Windows says of this process.</summary>
internal static unsafe partial class Memory
{
    private const int Committed = 0x1000;
    private const int Free = 0x10000;

    internal static bool IsCommitted(void* address) => StateOf(address) == Committed;

    /// <summary>Whether an address is reserved or committed.</summary>
    internal static bool IsTaken(void* address) => StateOf(address) != Free;

    internal static int Handles() => GetProcessHandleCount(-1, out int count) ? count : throw new InvalidOperationException();

    private static int StateOf(void* address)
    {
        Region region;
        return VirtualQuery(address, &region, (nuint)sizeof(Region)) == 0 ? throw new InvalidOperationException() : region.State;
    }

    [LibraryImport("kernel32.dll")]
    private static partial nuint VirtualQuery(void* address, Region* region, nuint length);

    [LibraryImport("kernel32.dll")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool GetProcessHandleCount(nint process, out int count);

    private struct Region
    {
        public nint Base;
        public nint AllocationBase;
        public int AllocationProtect;
        public int PartitionId;
        public nuint Size;
        public int State;
        public int Protect;
        public int Type;
    }
}
