using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Kestrel;

/// <summary>Gives the server pools whose memory lies in <see cref="RequestHeap"/>.</summary>
/// <remarks>
/// The server makes several and disposes each when it stops. The heap's own pool lives as long as the heap, so each gets a wrapper, which
/// counts what is out.
/// </remarks>
internal sealed class HeapPoolFactory : IMemoryPoolFactory<byte>
{
    private readonly ConcurrentQueue<CountedPool> _pools = new();

    public IReadOnlyCollection<CountedPool> Pools => _pools;

    public MemoryPool<byte> Create(MemoryPoolOptions? options)
    {
        CountedPool pool = new();
        _pools.Enqueue(pool);
        return pool;
    }
}
