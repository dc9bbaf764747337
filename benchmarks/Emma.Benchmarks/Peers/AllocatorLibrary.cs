using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Peers;

/// <summary>A native allocator's library, which need not be installed.</summary>
internal readonly unsafe struct AllocatorLibrary
{
    private readonly nint _handle;

    private AllocatorLibrary(nint handle) => _handle = handle;

    internal bool IsPresent => _handle != 0;

    /// <summary>
    /// Loads the first of some libraries that the loader finds. Its symbols replace nobody's: they are looked up one by one.
    /// </summary>
    internal static AllocatorLibrary Load(params string[] names)
    {
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out nint handle))
                return new AllocatorLibrary(handle);
        }

        return default;
    }

    /// <summary>A function's address; null if the library is absent.</summary>
    internal void* Function(string name) => IsPresent ? (void*)NativeLibrary.GetExport(_handle, name) : null;
}
