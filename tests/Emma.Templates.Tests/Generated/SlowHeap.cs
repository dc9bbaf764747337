using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>The part of the heap that holds up a thread of a test's choice where it unmaps.</summary>
public static unsafe partial class SlowHeap
{
    private static readonly TimeSpan s_delay = TimeSpan.FromMilliseconds(300);

    [ThreadStatic]
    private static bool t_isSlow;

    private static nint s_kernel;

    // Set when a slow thread is about to unmap.
    internal static ManualResetEventSlim IsUnmapping { get; } = new ManualResetEventSlim();

    // Has the calling thread wait before each unmapping.
    internal static void SlowDown() => t_isSlow = true;

    // Stands between the heap and the kernel from now on.
    internal static void Begin()
    {
        HeapInternals.HeapState.EnsureRunning();
        delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint> call = &Call;
        KernelHook.Install(typeof(HeapInternals.KernelEntry), (nint)call, out s_kernel);
    }

    [UnmanagedCallersOnly]
    private static nint Call(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
    {
        if (t_isSlow && number == (Assumption.IsX64 ? HeapInternals.X64.Munmap : HeapInternals.Arm64.Munmap))
        {
            IsUnmapping.Set();
            Thread.Sleep(s_delay);
        }

        return ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)s_kernel)(number, a, b, c, d, e, f);
    }
}
