[assembly: global::System.Reflection.AssemblyMetadataAttribute(
    "Emma.Heap",
    "Emma.Templates.EmmaHeap+HeapInternals+HostEntry; 0.1.0.0; BoundaryChecks=false (default); Hardened=false (default); "
        + "MemoryLimit=0 (default); Public=false (default); ThreadCache=true (default)")]

namespace Emma.Templates;

/// <summary>
/// A native-memory heap of its own: no block, lock or mapping of it is shared with any other heap of the process.
/// </summary>
/// <remarks>
/// This file stands for the one that the generator writes from the attribute's options; it is not embedded.
/// </remarks>
[global::System.CodeDom.Compiler.GeneratedCodeAttribute("Emma.Generator", "0.1.0.0")]
[global::System.Diagnostics.CodeAnalysis.ExcludeFromCodeCoverageAttribute]
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The full name of the heap's class, for messages.
        internal const string HeapName = "EmmaHeap";

        // The generator that wrote the heap.
        internal const string ToolVersion = "0.1.0.0";

        // Whether every pointer that crosses the API is proved to be a live block first.
        internal const bool ChecksBoundaries = false;

        // Whether that is so only because this is a debug build and the attribute does not say.
        internal const bool ChecksAreDefaulted = false;

        // Whether blocks carry canaries, are zeroed and held back when freed, and lie beside inaccessible pages.
        internal const bool IsHardened = false;

        // Whether each thread keeps free blocks of its own.
        internal const bool HasThreadCaches = true;

        // Whether this is a release build, in which the runtime's compiler puts short methods into their callers.
        internal const bool IsOptimized = false;

        // The most bytes the heap may map; 0: no limit.
        internal const long DeclaredLimit = 0;
    }
}
