namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrNativeLibrary = global::System.Runtime.InteropServices.NativeLibrary;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The C library that the process runs on, whichever it is.
        internal static class CLibrary
        {
            // The address of a function of the library's. The main program's handle reaches every library it links to and opens no file, so
            // this works without descriptors too.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static bool TryFind(string name, out nint address) =>
                ClrNativeLibrary.TryGetExport(ClrNativeLibrary.GetMainProgramHandle(), name, out address)
                || (ClrNativeLibrary.TryLoad("libc.so.6", out nint libc) && ClrNativeLibrary.TryGetExport(libc, name, out address));
        }
    }
}
