// The fast paths of the heap as C could call them: machine code that takes a size class, or above 128 bytes a size.
internal static unsafe partial class BenchHeap
{
    private const int MaxTableSize = 128;

    internal static bool HasMachineCode => HeapInternals.FastPathEntries.Current->Cache != 0;

    // What C gets where there is no machine code for it.
    internal static nint MallocMethod => (nint)(delegate* unmanaged[Cdecl]<nuint, void*>)&HeapInternals.CEntries.Malloc;

    internal static nint FreeMethod => (nint)(delegate* unmanaged[Cdecl]<void*, void>)&HeapInternals.CEntries.Free;

    internal static nint FastFree => HeapInternals.FastPathEntries.Current->Give;

    internal static (nint Entry, int Argument) FastMalloc(int size) => size <= MaxTableSize
        ? (HeapInternals.FastPathEntries.Current->Take, HeapInternals.SizeClasses.Of((nuint)size))
        : (HeapInternals.FastPathEntries.Current->TakeLarge, size);
}
