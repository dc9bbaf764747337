namespace Emma.Templates;

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

            internal static nint Map(nuint segment) => (nint)segment;

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
