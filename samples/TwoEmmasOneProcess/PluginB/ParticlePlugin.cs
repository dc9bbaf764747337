using TwoEmmasOneProcess.Contracts;

// The other plugin asks for a heap of the very same name; neither can see, reach or harm the other's.
[assembly: EmmaAllocator("PluginHeap")]

namespace TwoEmmasOneProcess.PluginB;

/// <summary>Lets particles that push each other away fly about in a square box; all of it lies in the plugin's heap.</summary>
public sealed class ParticlePlugin : IPlugin
{
    private const int ParticleCount = 20_000;
    private const int StepsPerRound = 6;

    private World? _world;

    public string Work => "a 2-D particle step";

    public ulong RunRound(int threads)
    {
        _world?.Free();
        _world = new World(ParticleCount);
        _world.Run(StepsPerRound, threads);
        return _world.Checksum();
    }

    public ulong WorkOutExpected() => PlainWorld.ChecksumAfter(ParticleCount, StepsPerRound);

    public HeapView ViewHeap() => OwnHeap.View();

    public bool HeapOwns(ulong address) => OwnHeap.Owns(address);
}
