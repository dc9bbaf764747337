using System.Runtime.InteropServices;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    /// <summary>Zeroed memory with a segment's alignment that no heap knows.</summary>
    private sealed class FakeSegment : IDisposable
    {
        internal readonly Segment* Segment;

        internal FakeSegment()
        {
            Segment = (Segment*)NativeMemory.AlignedAlloc(EmmaHeap.Segment.PageSize, EmmaHeap.Segment.Size);
            NativeMemory.Clear(Segment, EmmaHeap.Segment.PageSize);
        }

        public void Dispose() => NativeMemory.AlignedFree(Segment);
    }
}
