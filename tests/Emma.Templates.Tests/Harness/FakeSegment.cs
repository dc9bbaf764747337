using System.Runtime.InteropServices;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Zeroed memory with a segment's alignment that no heap knows.
        private sealed class FakeSegment : IDisposable
        {
            internal readonly Segment* Segment;

            internal FakeSegment()
            {
                Segment = (Segment*)NativeMemory.AlignedAlloc(HeapInternals.Segment.PageSize, HeapInternals.Segment.Size);
                NativeMemory.Clear(Segment, HeapInternals.Segment.PageSize);
            }

            public void Dispose() => NativeMemory.AlignedFree(Segment);
        }
    }
}
