using System.Reflection;
using System.Runtime.Loader;
using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Footprint;

// A number of heaps that are independent of one another, each to hold one block.
internal abstract class IdleHeaps
{
    internal const string NoHeapAssembly = "NoHeap";

    // What has heaps to be many of, and the assembly that has one, if it takes one.
    internal static IReadOnlyList<(string Peer, string? Assembly)> Kinds { get; } =
    [
        (PeerList.EmmaName, "OneHeap"),
        (PeerList.LockedName, "OneLockedHeap"),
        (PeerList.MimallocName, null),
    ];

    // Starts every heap with one touched block.
    internal abstract void StartAll();

    internal abstract void DestroyAll();

    // What destroyed heaps keep, to be added to what they give back.
    internal abstract MemorySnapshot Kept { get; }

    // Whether the first start is the one that shows what heaps take: so where no code has to be compiled for it and destroyed heaps leave
    // their memory to later ones.
    internal virtual bool FirstStartCounts => false;

    internal static IdleHeaps Create(string peer, int count)
    {
        string? assembly = Kinds.Single(kind => kind.Peer == peer).Assembly;
        return assembly is null ? new MimallocHeaps(count) : new PluginHeaps(AssemblyPath(assembly), count);
    }

    internal static string AssemblyPath(string name) => Path.Combine(AppContext.BaseDirectory, name + ".dll");

    // The heaps of one plugin's assembly, loaded into as many collectible load contexts.
    private sealed class PluginHeaps : IdleHeaps
    {
        private readonly Func<nint>[] _start;
        private readonly Action[] _destroy;

        internal PluginHeaps(string assembly, int count)
        {
            _start = new Func<nint>[count];
            _destroy = new Action[count];
            for (int i = 0; i < count; i++)
            {
                AssemblyLoadContext context = new("plugin", isCollectible: true);
                Type probe = context.LoadFromAssemblyPath(assembly).GetType("Probe")!;
                _start[i] = probe.GetMethod("AllocateOne", BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<Func<nint>>();
                _destroy[i] = probe.GetMethod("Destroy", BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<Action>();
            }
        }

        internal override MemorySnapshot Kept => HeapCode.Measure();

        internal override void StartAll()
        {
            foreach (Func<nint> start in _start)
                start();
        }

        internal override void DestroyAll()
        {
            foreach (Action destroy in _destroy)
                destroy();
        }
    }

    // mimalloc's first-class heaps.
    private sealed unsafe class MimallocHeaps : IdleHeaps
    {
        private const nuint BlockSize = 64;

        private readonly delegate* unmanaged<nint> _new;
        private readonly delegate* unmanaged<nint, nuint, byte*> _malloc;
        private readonly delegate* unmanaged<nint, void> _destroy;
        private readonly nint[] _heaps;

        internal MimallocHeaps(int count)
        {
            AllocatorLibrary library = AllocatorLibrary.Load(LibraryPeers.MimallocFiles)!;
            _new = (delegate* unmanaged<nint>)library.Function("heap_new");
            _malloc = (delegate* unmanaged<nint, nuint, byte*>)library.Function("heap_malloc");
            _destroy = (delegate* unmanaged<nint, void>)library.Function("heap_destroy");
            _heaps = new nint[count];
        }

        internal override MemorySnapshot Kept => default;

        internal override bool FirstStartCounts => true;

        internal override void StartAll()
        {
            foreach (ref nint heap in _heaps.AsSpan())
            {
                heap = _new();
                *_malloc(heap, BlockSize) = 1;
            }
        }

        internal override void DestroyAll()
        {
            foreach (nint heap in _heaps)
                _destroy(heap);
        }
    }
}
