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
    /// <summary>The full name of the heap's class, for messages.</summary>
    private const string HeapName = "EmmaHeap";

    /// <summary>Whether every pointer that crosses the API is proved to be a live block first.</summary>
    private const bool BoundaryChecks = false;

    /// <summary>Whether blocks carry canaries, are zeroed and held back when freed, and lie beside inaccessible pages.</summary>
    private const bool Hardened = false;

    /// <summary>The most bytes the heap may map; 0: no limit.</summary>
    private const long MemoryLimit = 0;
}
