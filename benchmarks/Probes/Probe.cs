/// <summary>A plugin that does nothing but use its heap; compiled into every probe, the one without a heap included.</summary>
public static unsafe class Probe
{
    /// <summary>Allocates one small block, which starts the heap, and touches it.</summary>
    public static nint AllocateOne()
    {
        byte* block = (byte*)ProbeHeap.Alloc(64);
        *block = 1;
        return (nint)block;
    }

    /// <summary>Destroys the heap with all its blocks.</summary>
    public static void Destroy() => ProbeHeap.Destroy();
}
