using System.Globalization;
using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Peers;

// A native allocator's library, which need not be installed: where it lies and what its functions are called. Its symbols replace nobody's:
// they are looked up one by one.
internal sealed unsafe class AllocatorLibrary
{
    // mimalloc's, gperftools', jemalloc's, snmalloc's and rpmalloc's, and last the C library's own names, which a library may have besides.
    private static readonly string[] s_knownPrefixes = ["mi_", "tc_", "je_", "sn_", "rp", ""];

    private static readonly nint s_program = NativeLibrary.GetMainProgramHandle();

    private readonly nint _handle;
    private readonly string _file;
    private readonly string _prefix;

    private AllocatorLibrary(nint handle, string file, string prefix)
    {
        _handle = handle;
        _file = file;
        _prefix = prefix;
    }

    // The version that the library gives, and which file it is unless the loader chose it; its functions have names of their own for that.
    internal string Version
    {
        get
        {
            string? version = AskMimalloc() ?? AskGperftools() ?? AskJemalloc();
            string file = Path.IsPathRooted(_file) ? File.ResolveLinkTarget(_file, returnFinalTarget: true)?.FullName ?? _file : "";
            return string.Join(", ", new[] { version, file }.Where(part => !string.IsNullOrEmpty(part)));
        }
    }

    // The first of some libraries that the loader finds; null if it finds none, or no allocator in it. Without a prefix, the first known
    // one that has functions.
    internal static AllocatorLibrary? Load(IEnumerable<string> files, string? prefix = null)
    {
        foreach (string file in files)
        {
            if (!NativeLibrary.TryLoad(file, out nint handle))
                continue;

            foreach (string candidate in prefix is null ? s_knownPrefixes : [prefix])
            {
                if (IsOwn(handle, candidate + "malloc"))
                    return new AllocatorLibrary(handle, file, candidate);
            }
        }

        return null;
    }

    // The address of the allocator's function of that name, which it must have.
    internal void* Function(string name) => (void*)NativeLibrary.GetExport(_handle, _prefix + name);

    // The same, null if the allocator lacks it.
    internal void* FindFunction(string name) =>
        NativeLibrary.TryGetExport(_handle, _prefix + name, out nint address) ? (void*)address : null;

    // The C library's is found through any library, because each depends on it.
    private static bool IsOwn(nint handle, string name) =>
        NativeLibrary.TryGetExport(handle, name, out nint address)
        && !(NativeLibrary.TryGetExport(s_program, name, out nint other) && other == address);

    // Such as 2.0.9, which the library returns as 209.
    private string? AskMimalloc()
    {
        if (!NativeLibrary.TryGetExport(_handle, "mi_version", out nint address))
            return null;

        int version = ((delegate* unmanaged<int>)address)();
        int step = version < 1000 ? 10 : 100;
        return string.Create(CultureInfo.InvariantCulture, $"{version / step / step}.{version / step % step}.{version % step}");
    }

    private string? AskGperftools()
    {
        if (!NativeLibrary.TryGetExport(_handle, "tc_version", out nint address))
            return null;

        int major, minor;
        byte* patch;
        nint text = ((delegate* unmanaged<int*, int*, byte**, nint>)address)(&major, &minor, &patch);
        return Marshal.PtrToStringUTF8(text)?.Replace("gperftools ", "", StringComparison.Ordinal);
    }

    private string? AskJemalloc()
    {
        if (!NativeLibrary.TryGetExport(_handle, _prefix + "mallctl", out nint address))
            return null;

        byte* text = null;
        nuint length = (nuint)sizeof(byte*);
        fixed (byte* name = "version\0"u8)
            ((delegate* unmanaged<byte*, void*, nuint*, void*, nuint, int>)address)(name, &text, &length, null, 0);

        return Marshal.PtrToStringUTF8((nint)text)?.Split('-')[0];
    }
}
