namespace Emma.Templates;

using ClrDynamicDependency = global::System.Diagnostics.CodeAnalysis.DynamicDependencyAttribute;
using ClrEditorBrowsable = global::System.ComponentModel.EditorBrowsableAttribute;
using ClrEditorBrowsableState = global::System.ComponentModel.EditorBrowsableState;
using ClrException = global::System.Exception;
using ClrMemberTypes = global::System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes;
using ClrModuleInitializer = global::System.Runtime.CompilerServices.ModuleInitializerAttribute;
using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;

static unsafe partial class EmmaHeap
{
    // Runs when the assembly is first used, before any code of it. Sets the root's few kilobytes aside; maps nothing and starts nothing.
    [ClrDynamicDependency(ClrMemberTypes.NonPublicMethods, typeof(HeapInternals.HostEntry))]
    [ClrModuleInitializer]
    [ClrEditorBrowsable(ClrEditorBrowsableState.Never)]
    internal static void LoadBaseLibrary()
    {
        try
        {
            HeapInternals.Compilation.LoadBaseLibrary();
            // What a fast path reads is a constant to code compiled from now on: in a collectible load context nothing is compiled again,
            // so that code compiled before would look for it at every call, for good.
            ClrRuntimeHelpers.RunClassConstructor(typeof(HeapInternals).TypeHandle);
            HeapInternals.SmallBlocks.RunClassConstructors();
        }
        catch (ClrException)
        {
            // An exception here would make the whole assembly unusable. The heap tries again when it starts.
        }
    }
}
