namespace Emma.Templates;

using ClrEditorBrowsable = global::System.ComponentModel.EditorBrowsableAttribute;
using ClrEditorBrowsableState = global::System.ComponentModel.EditorBrowsableState;
using ClrException = global::System.Exception;
using ClrModuleInitializer = global::System.Runtime.CompilerServices.ModuleInitializerAttribute;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;

static unsafe partial class EmmaHeap
{
    // Runs when the assembly is first used, before any code of it. Sets the root's few kilobytes aside; maps nothing and starts nothing.
    [ClrModuleInitializer]
    [ClrEditorBrowsable(ClrEditorBrowsableState.Never)]
    internal static void LoadBaseLibrary()
    {
        try
        {
            HeapInternals.Compilation.LoadBaseLibrary();
            // Code compiled for good before the root stood would have to look for it at every call.
            ClrRuntimeHelpers.RunClassConstructor(typeof(HeapInternals).TypeHandle);
        }
        catch (ClrException)
        {
            // An exception here would make the whole assembly unusable. The heap tries again when it starts.
        }
    }
}
