namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Mappings that a heap would keep for the runtime: here none. Such a heap maps segments, which hold many blocks each.
        internal struct SpareMappings
        {
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly bool MayMap() => true;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly void NoteRefusal()
            {
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly void NoteUnmapped(nuint length)
            {
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly void Reset()
            {
            }
        }
    }
}
