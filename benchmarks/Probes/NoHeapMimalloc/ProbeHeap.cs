using System.Runtime.InteropServices;

// Stands where the other probes have a heap.
internal static unsafe class ProbeHeap
{
    private static readonly string[] s_files = ["libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so"];

    private static readonly delegate* unmanaged<nuint, void*> s_malloc = (delegate* unmanaged<nuint, void*>)Find("mi_malloc");

    public static void* Alloc(nuint byteCount) => s_malloc(byteCount);

    public static void Destroy()
    {
    }

    private static nint Find(string function)
    {
        foreach (string file in s_files)
        {
            if (NativeLibrary.TryLoad(file, out nint library))
                return NativeLibrary.GetExport(library, function);
        }

        throw new DllNotFoundException("mimalloc");
    }
}
