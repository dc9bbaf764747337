using System.Runtime.InteropServices;

// Stands where the other probes have a heap.
internal static unsafe class ProbeHeap
{
    public static void* Alloc(nuint byteCount) => NativeMemory.Alloc(byteCount);

    public static void Destroy()
    {
    }
}
