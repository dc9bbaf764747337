namespace Emma.Templates;

using ClrEditorBrowsable = global::System.ComponentModel.EditorBrowsableAttribute;
using ClrEditorBrowsableState = global::System.ComponentModel.EditorBrowsableState;
using ClrException = global::System.Exception;
using ClrGC = global::System.GC;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMarshal = global::System.Runtime.InteropServices.Marshal;
using ClrMemoryMappedFile = global::System.IO.MemoryMappedFiles.MemoryMappedFile;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrModuleInitializer = global::System.Runtime.CompilerServices.ModuleInitializerAttribute;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrThread = global::System.Threading.Thread;

static unsafe partial class EmmaHeap
{
    /// <summary>Runs when the assembly is first used, before any code of it. Sets the root's few kilobytes aside; maps nothing and starts nothing.</summary>
    [ClrModuleInitializer]
    [ClrEditorBrowsable(ClrEditorBrowsableState.Never)]
    internal static void LoadBaseLibrary()
    {
        try
        {
            HeapInternals.BaseLibrary.Load();
            // Code compiled for good before the root stood would have to look for it at every call.
            ClrRuntimeHelpers.RunClassConstructor(typeof(HeapInternals.HeapState).TypeHandle);
        }
        catch (ClrException)
        {
            // An exception here would make the whole assembly unusable. The heap tries again when it starts.
        }
    }
}
