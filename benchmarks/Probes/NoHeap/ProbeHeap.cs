// Stands where the other probes have a heap.
internal static unsafe class ProbeHeap
{
    public static void* Alloc(nuint byteCount) => (void*)byteCount;

    public static void Destroy()
    {
    }
}
