namespace Emma.Templates;

using ClrType = global::System.Type;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The heap's own types of this layer, for what has all of the heap compiled. Generic ones are compiled for each type of element
        // that is used, when it is.
        internal static class ManagedTypes
        {
            internal static ClrType[] All =>
            [
                typeof(Callbacks), typeof(HeapArena), typeof(HeapArena.Checkpoint), typeof(HeapBufferWriter), typeof(HeapScopedArena),
                typeof(HeapSequenceWriter),
            ];
        }
    }
}
