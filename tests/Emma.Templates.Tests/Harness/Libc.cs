using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>What tests need from the C library to spoil their own process, and heaps of others.</summary>
public static unsafe partial class Libc
{
    public const int LimitOfData = 2;
    public const int LimitOfFiles = 7;
    public const int LimitOfAddressSpace = 9;
    public const int LimitOfLockedMemory = 8;

    /// <summary>MCL_FUTURE.</summary>
    public const int LockFutureMappings = 2;

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

    /// <summary>
    /// Has what is mapped from now on locked in memory, if this user may lock as much as tests do: an ordinary one may not.
    /// </summary>
    public static bool TryLockWhatIsMapped()
    {
        Assumption.NotWindows("a limit of a process of Linux.");
        const ulong much = 1 << 30;
        Limit limit;
        Expect.Equal(0, GetLimit(LimitOfLockedMemory, &limit));
        return (limit.Soft >= much || Environment.IsPrivilegedProcess) && LockAll(LockFutureMappings) == 0;
    }

    [LibraryImport("libc", EntryPoint = "mlockall")]
    public static partial int LockAll(int flags);

    [LibraryImport("libc", EntryPoint = "munlock")]
    public static partial int Unlock(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "munlockall")]
    public static partial int UnlockAll();

    [LibraryImport("libc", EntryPoint = "malloc")]
    public static partial void* Malloc(nuint size);

    [LibraryImport("libc", EntryPoint = "free")]
    public static partial void Free(void* block);

    [LibraryImport("libc", EntryPoint = "mmap")]
    public static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    public static partial int Unmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    public static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "sigaction")]
    public static partial int SetSignalAction(int signal, SingleStep.SignalAction* action, SingleStep.SignalAction* former);

    /// <summary>Ends the process at once, whatever state its threads are in.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void Exit(int status);

    [LibraryImport("libc", EntryPoint = "pthread_create")]
    public static partial int CreateThread(nuint* thread, void* attributes, void* start, void* argument);

    /// <summary>Returns when the kernel says that the thread has ended, however it did.</summary>
    [LibraryImport("libc", EntryPoint = "pthread_join")]
    public static partial int Join(nuint thread, void** result);

    [LibraryImport("libc", EntryPoint = "fork")]
    public static partial int Fork();

    [LibraryImport("libc", EntryPoint = "waitpid")]
    public static partial int WaitFor(int process, int* status, int options);

    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Kill(int process, int signal);

    /// <summary>Sets the soft limit, and returns the former one.</summary>
    public static ulong Change(int resource, ulong soft)
    {
        Assumption.NotWindows("a limit of a process of Linux.");
        Limit limit;
        Expect.Equal(0, GetLimit(resource, &limit));
        ulong former = limit.Soft;
        limit.Soft = soft;
        Expect.Equal(0, SetLimit(resource, &limit));
        return former;
    }
}
