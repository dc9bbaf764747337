using System.Buffers;

namespace Kestrel;

/// <summary>A pool over <see cref="RequestHeap"/> that knows how many of its buffers are out, and that can be disposed.</summary>
internal sealed class CountedPool : MemoryPool<byte>
{
    private long _rented;
    private long _out;
    private int _disposals;

    public long Rented => Volatile.Read(ref _rented);

    /// <summary>Buffers that were rented and not given back.</summary>
    public long Out => Volatile.Read(ref _out);

    public bool IsDisposed => Volatile.Read(ref _disposals) != 0;

    public override int MaxBufferSize => RequestHeap.Pool.MaxBufferSize;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        IMemoryOwner<byte> owner = RequestHeap.Pool.Rent(minBufferSize);
        Interlocked.Increment(ref _rented);
        Interlocked.Increment(ref _out);
        return new CountedOwner(this, owner);
    }

    // Buffers that are still out are the heap's, and stay good until they are given back.
    protected override void Dispose(bool disposing) => Interlocked.Increment(ref _disposals);

    private sealed class CountedOwner(CountedPool pool, IMemoryOwner<byte> owner) : IMemoryOwner<byte>
    {
        private IMemoryOwner<byte>? _owner = owner;

        public Memory<byte> Memory => _owner?.Memory ?? throw new ObjectDisposedException(nameof(CountedOwner));

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _owner, null) is not IMemoryOwner<byte> former)
                return;

            former.Dispose();
            Interlocked.Decrement(ref pool._out);
        }
    }
}
