namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Which blocks are live: here the slabs themselves know, and there are no marks.
        internal static class LiveMarks
        {
            // Bytes of marks that a segment has.
            internal const nuint BytesPerSegment = 0;

            internal const nuint CountedPerSegment = 0;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint Map(nuint segment) => (nint)segment;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryUnmap(nuint segment) => segment != 0;

            internal static void Discard(nuint segment)
            {
            }

            internal static void SetIfChecked(nuint block)
            {
            }
        }
    }
}
