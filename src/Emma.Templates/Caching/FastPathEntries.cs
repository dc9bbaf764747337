namespace Emma.Templates;

using ClrRuntimeHelpers = global::System.Runtime.CompilerServices.RuntimeHelpers;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Where the fast paths lie, machine code or methods in its place: what each call reads first, and nothing writes between the start of a heap and its end. All zero
    /// before that.
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

        /// <summary>Machine code; 0: there is none, and a thread static finds the cache.</summary>
        internal nint Cache;

        /// <summary>Sizes below this may be taken this way.</summary>
        internal nuint TakeLimit;
    }
}
