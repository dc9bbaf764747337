namespace Emma.Templates;

using ClrGC = global::System.GC;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMarshal = global::System.Runtime.InteropServices.Marshal;
using ClrMemoryMappedFile = global::System.IO.MemoryMappedFiles.MemoryMappedFile;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrThread = global::System.Threading.Thread;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>The assemblies that the heap's code refers to.</summary>
        internal static class BaseLibrary
        {
            /// <summary>
            /// Loads them, one type of each. The runtime loads an assembly when the first method that needs it is compiled, which may be too late:
            /// a load that fails for want of a descriptor fails for ever, and the first use of a reference may run a load context's resolver on
            /// this thread, which may use the heap: never while a lock is held.
            /// </summary>
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static void Load()
            {
                ClrGC.KeepAlive(typeof(ClrInterlocked));
                ClrGC.KeepAlive(typeof(ClrMarshal));
                ClrGC.KeepAlive(typeof(ClrMemoryMappedFile));
                ClrGC.KeepAlive(typeof(ClrStopwatch));
                ClrGC.KeepAlive(typeof(ClrThread));
            }
        }
    }
}
