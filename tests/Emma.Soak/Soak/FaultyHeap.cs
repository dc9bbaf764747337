using System.Runtime.InteropServices;

namespace Emma.Soak;

// The part of the heap that has its calls of the kernel fail at random: one in so many mappings, unmappings, moves and discards.
static unsafe partial class FaultyHeap
{
    private const int OneIn = 3;
    private const nint NoMemory = -12;

    private static nint s_kernel;
    private static long s_random;
    private static long s_failed;
    private static int s_isFailing;

    // Calls that have been made to fail.
    internal static long FailedCalls => Volatile.Read(ref s_failed);

    // Stands between the heap and the kernel from now on, and has calls fail.
    internal static void BeginFaults(ulong seed)
    {
        HeapInternals.HeapState.EnsureRunning();
        s_random = (long)seed;
        delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint> call = &Call;
        KernelHook.Install(typeof(HeapInternals.KernelEntry), (nint)call, out s_kernel);
        Volatile.Write(ref s_isFailing, 1);
    }

    internal static void EndFaults() => Volatile.Write(ref s_isFailing, 0);

    [UnmanagedCallersOnly]
    private static nint Call(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
    {
        bool mayFail = number is HeapInternals.X64.Mmap or HeapInternals.X64.Munmap
            or HeapInternals.X64.Mremap or HeapInternals.X64.Madvise;
        if (!mayFail || Volatile.Read(ref s_isFailing) == 0 || NextRandom() % OneIn != 0)
            return ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)s_kernel)(number, a, b, c, d, e, f);

        Interlocked.Increment(ref s_failed);
        return NoMemory;
    }

    // A step of SplitMix64 (Steele, Lea and Flood, 2014), which threads may make at once.
    private static ulong NextRandom()
    {
        unchecked
        {
            ulong z = (ulong)Interlocked.Add(ref s_random, (long)0x9E3779B97F4A7C15);
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
