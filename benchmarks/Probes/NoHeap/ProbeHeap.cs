// Stands where the other probes have a heap.
internal static unsafe class ProbeHeap
{
    private static long s_block;

    public static void* Alloc(nuint byteCount)
    {
        // Statics without references do not move.
        fixed (long* block = &s_block)
            return block;
    }

    public static void Destroy()
    {
    }
}
