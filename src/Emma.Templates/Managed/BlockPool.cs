namespace Emma.Templates;

using ClrArgumentOutOfRangeException = global::System.ArgumentOutOfRangeException;
using ClrArray = global::System.Array;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The heap as a pool: it keeps nothing itself, because the heap's caches do.
        internal sealed class BlockPool : global::System.Buffers.MemoryPool<byte>
        {
            // What is rented where nobody says how much, as in MemoryPool.Shared.
            private const int DefaultBytes = 4096;

            internal static readonly BlockPool Instance = new BlockPool();

            public override int MaxBufferSize => ClrArray.MaxLength;

            public override global::System.Buffers.IMemoryOwner<byte> Rent(int minBufferSize = -1)
            {
                if (minBufferSize < -1 || minBufferSize > MaxBufferSize)
                    throw new ClrArgumentOutOfRangeException(nameof(minBufferSize));

                Owner<byte> owner = new Owner<byte>();
                owner.Begin(minBufferSize == -1 ? DefaultBytes : minBufferSize, zeroed: false, token: 0);
                return owner;
            }

            protected override void Dispose(bool disposing)
            {
            }
        }
    }
}
