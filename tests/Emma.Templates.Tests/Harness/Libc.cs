using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>What tests need from the C library to spoil their own process, and heaps of others.</summary>
public static unsafe partial class Libc
{
    public const int LimitOfFiles = 7;
    public const int LimitOfAddressSpace = 9;

    [StructLayout(LayoutKind.Sequential)]
    public struct Limit
    {
        public ulong Soft;
        public ulong Hard;
    }

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    public static partial int GetLimit(int resource, Limit* limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    public static partial int SetLimit(int resource, Limit* limit);

    [LibraryImport("libc", EntryPoint = "mlock")]
    public static partial int Lock(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "munlock")]
    public static partial int Unlock(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "malloc")]
    public static partial void* Malloc(nuint size);

    [LibraryImport("libc", EntryPoint = "free")]
    public static partial void Free(void* block);

    /// <summary>Sets the soft limit, and returns the former one.</summary>
    public static ulong Change(int resource, ulong soft)
    {
        Limit limit;
        Expect.Equal(0, GetLimit(resource, &limit));
        ulong former = limit.Soft;
        limit.Soft = soft;
        Expect.Equal(0, SetLimit(resource, &limit));
        return former;
    }
}
