namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // One block of a sequence writer. The sequence sees what was written of it.
        internal sealed class SequenceSegment : global::System.Buffers.ReadOnlySequenceSegment<byte>
        {
            private readonly Owner<byte> _block;

            internal SequenceSegment(Owner<byte> block, long before)
            {
                _block = block;
                RunningIndex = before;
            }

            internal int Written { get; private set; }

            internal global::System.Memory<byte> Room => _block.Memory.Slice(Written);

            internal long End => RunningIndex + Written;

            internal SequenceSegment? Following => (SequenceSegment?)Next;

            internal void Advance(int count)
            {
                Memory = _block.Memory.Slice(0, Written + count);
                Written += count;
            }

            internal void Precede(SequenceSegment next) => Next = next;

            internal void Free() => _block.End(0);
        }
    }
}
