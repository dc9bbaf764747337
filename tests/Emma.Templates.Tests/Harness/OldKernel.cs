using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>
/// Stands between a heap and the kernel, for good, and answers as Linux before 6.13 does: it knows no guard markers (EINVAL). Where that is
/// asked for it has no memory for mappings of other protection either, as one whose table of mappings is full.
/// </summary>
public static unsafe class OldKernel
{
    /// <summary>Has every scenario of a child process run on such a kernel.</summary>
    public const string Variable = "EMMA_OLD_KERNEL";

    private static readonly int s_mprotect = IsX64 ? 10 : 226;
    private static readonly int s_madvise = IsX64 ? 28 : 233;
    private const int MadvGuardInstall = 102;
    private const int MadvGuardRemove = 103;
    private const int NoMemory = -12;
    private const int Invalid = -22;

    private static nint s_kernel;
    private static uint s_oneIn;
    private static uint s_random = 1;
    private static long s_refused;

    private static bool IsX64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>In so many changes of protection one is refused, whichever it is; 0: none is.</summary>
    public static uint RefusedOneIn
    {
        set => Volatile.Write(ref s_oneIn, value);
    }

    /// <summary>How many changes of protection have been refused.</summary>
    public static long Refused => Volatile.Read(ref s_refused);

    /// <summary>Puts it before a heap that runs and has nothing mapped.</summary>
    public static void Install(Type kernelEntry)
    {
        delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint> call = &Call;
        KernelHook.Install(kernelEntry, (nint)call, out s_kernel);
    }

    [UnmanagedCallersOnly]
    private static nint Call(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
    {
        if (number == s_madvise && c is (MadvGuardInstall or MadvGuardRemove))
            return Invalid;
        if (number == s_mprotect && IsRefused())
        {
            Interlocked.Increment(ref s_refused);
            return NoMemory;
        }

        return ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)s_kernel)(number, a, b, c, d, e, f);
    }

    private static bool IsRefused()
    {
        uint oneIn = Volatile.Read(ref s_oneIn);
        if (oneIn == 0)
            return false;

        // A linear congruential step; which thread gets which number is not determined anyway.
        s_random = unchecked(s_random * 1664525 + 1013904223);
        return (s_random >> 16) % oneIn == 0;
    }
}
