using PluginHost.Contracts;

[assembly: EmmaAllocator("Leaky.Heap")]

namespace Leaky;

/// <summary>Forgets to free, and does not listen.</summary>
public sealed unsafe class LeakyPlugin : IPlugin
{
    private const int Forgotten = 256 << 10;

    public void Work() => new Span<byte>(Heap.Alloc(Forgotten), Forgotten).Fill(1);

    public void MemoryIsLow()
    {
    }
}
