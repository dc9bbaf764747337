namespace Emma.Templates;

using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Where the machine code of the fast paths lies: what each of them reads first, and nothing writes between the start of a heap and its end. All zero
    /// while there is none.
    /// </summary>
    /// <remarks>
    /// This is memory of the type, which the runtime puts near the code it compiles, so that an instruction can name it; the root, farther away,
    /// costs one more. CoreCLR shares it with forked processes, which only read it.
    /// </remarks>
    private struct FastPathEntries
    {
        internal static readonly FastPathEntries* Current =
            (FastPathEntries*)ClrRuntimeHelpers.AllocateTypeAssociatedMemory(typeof(FastPathEntries), sizeof(FastPathEntries));

        internal nint Take;
        internal nint Give;
        internal nint Cache;

        /// <summary>Sizes below this may be taken by machine code.</summary>
        internal nuint TakeLimit;
    }
}
