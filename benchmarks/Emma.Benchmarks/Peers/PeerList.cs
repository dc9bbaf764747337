using System.Reflection;
using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Peers;

// All peers, in the order of the tables' columns. Each is made on demand: a child process loads no library but its peer's.
internal static class PeerList
{
    internal const string EmmaName = "emma";
    internal const string CollectibleName = "emma, collectible";
    internal const string LocalName = "emma, Local";
    internal const string CollectibleLocalName = "emma, Local, collectible";
    internal const string StaticName = "emma, [ThreadStatic]";
    internal const string LockedName = "emma, locked";
    internal const string CheckedName = "emma, checked";
    internal const string HardenedName = "emma, hardened";
    internal const string MimallocName = "mimalloc";
    internal const string JemallocName = "jemalloc";
    internal const string TcmallocName = "tcmalloc";
    internal const string NativeMemoryName = "NativeMemory";
    internal const string ArrayPoolName = "ArrayPool";

    private static readonly (string Name, Lazy<Peer> Peer)[] s_peers =
    [
        (EmmaName, new(() => new EmmaPeer<DefaultHeapAllocator>(EmmaName, EmmaVersion, runsWorkloads: true))),
        (CollectibleName, new(() => new CollectiblePeer(CollectibleName, EmmaVersion, EmmaName, runsWorkloads: true))),
        (LocalName, new(() => new LocalPeer(LocalName, EmmaVersion))),
        (CollectibleLocalName, new(() => new CollectiblePeer(CollectibleLocalName, EmmaVersion, LocalName, runsWorkloads: false))),
        (StaticName, new(CreateStaticPeer)),
        (LockedName, new(() => new EmmaPeer<LockedHeapAllocator>(LockedName, EmmaVersion, runsWorkloads: true))),
        (CheckedName, new(() => new EmmaPeer<CheckedHeapAllocator>(CheckedName, EmmaVersion, runsWorkloads: false))),
        (HardenedName, new(() => new EmmaPeer<HardenedHeapAllocator>(HardenedName, EmmaVersion, runsWorkloads: false))),
        .. LibraryPeers.All,
        (NativeMemoryName, new(() => new Peer<NativeMemoryAllocator>(NativeMemoryName, $".NET {Environment.Version}, {DescribeLibc()}"))),
        (ArrayPoolName, new(() => new ArrayPoolPeer(ArrayPoolName, $".NET {Environment.Version}"))),
    ];

    internal static IReadOnlyList<Peer> All => [.. s_peers.Select(entry => entry.Peer.Value)];

    internal static IReadOnlyList<Peer> Present => [.. All.Where(peer => peer.IsPresent)];

    private static string EmmaVersion =>
        typeof(PeerList).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    internal static Peer Find(string name) => s_peers.Single(entry => entry.Name == name).Peer.Value;

    private static EmmaPeer<StaticHeapAllocator> CreateStaticPeer()
    {
        StaticHeapAllocator.Start();
        return new EmmaPeer<StaticHeapAllocator>(StaticName, EmmaVersion, runsWorkloads: false);
    }

    private static unsafe string DescribeLibc()
    {
        return NativeLibrary.TryLoad("libc.so.6", out nint libc)
            ? $"glibc {Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)NativeLibrary.GetExport(libc, "gnu_get_libc_version"))())}"
            : "no glibc";
    }
}
