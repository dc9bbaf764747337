namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Freed blocks that a thread holds back from use: here none.
        internal struct Quarantine
        {
            internal readonly nuint Bytes => 0;

            internal readonly int Blocks => 0;

            internal readonly ulong Fingerprint => 0;

            internal nuint Empty() => 0;

            internal void Reset()
            {
            }
        }
    }
}
