namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Which blocks are live: here the slabs themselves know, and there are no marks.
        internal static class LiveMarks
        {
            // Bytes of marks that a segment has.
            internal const nuint CountedPerSegment = 0;

            internal static bool TryMap(nuint windowSize, out byte* marks)
            {
                marks = null;
                return windowSize != 0;
            }

            internal static bool TryUnmap(byte* marks, nuint windowSize) => marks == null && windowSize != 0;

            internal static void Discard(nuint segment)
            {
            }

            internal static void SetIfChecked(nuint block)
            {
            }
        }
    }
}
