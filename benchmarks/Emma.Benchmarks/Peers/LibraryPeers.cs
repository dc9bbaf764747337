namespace Emma.Benchmarks.Peers;

// The peers that are native libraries: those that Debian has, and those that the command line names. The latter pass to child processes in
// an environment variable.
internal static class LibraryPeers
{
    private const string Variable = "EMMA_BENCHMARK_PEERS";

    internal static IReadOnlyList<string> MimallocFiles { get; } = ["libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so"];

    internal static IReadOnlyList<(string Name, Lazy<Peer> Peer)> All =>
    [
        Create(PeerList.MimallocName, MimallocFiles),
        Create(PeerList.JemallocName, ["libjemalloc.so.2", "libjemalloc.so"]),
        Create(PeerList.TcmallocName, ["libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so"]),
        .. Named.Select(peer => Create(peer.Name, [peer.File], peer.Prefix)),
    ];

    private static IEnumerable<(string Name, string File, string? Prefix)> Named =>
        (Environment.GetEnvironmentVariable(Variable) ?? "")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(text => Parse(text)!.Value);

    // The first named one without a usable library; null if there is none.
    internal static string? FindBroken() => Named.Select(peer => peer.Name).FirstOrDefault(name => !PeerList.Find(name).IsPresent);

    // Adds a peer as the command line names it, before the list of peers is made: NAME=PATH[:prefix]. False if it cannot be understood, or
    // if another has the name.
    internal static bool TryAdd(string text)
    {
        if (Parse(text) is not { } peer)
            return false;

        // The program starts itself anew with the same arguments.
        if (Named.FirstOrDefault(other => other.Name == peer.Name) is { Name: not null } known)
            return known == peer;

        string others = Environment.GetEnvironmentVariable(Variable) ?? "";
        Environment.SetEnvironmentVariable(Variable, $"{others}\n{peer.Name}={peer.File}:{peer.Prefix}");
        return true;
    }

    private static (string Name, string File, string? Prefix)? Parse(string text)
    {
        if (text.Split('=', 2) is not [{ Length: > 0 } name, { Length: > 0 } place])
            return null;

        string[] parts = place.Split(':', 2);
        return (name, Path.GetFullPath(parts[0]), parts is [_, { Length: > 0 } prefix] ? prefix : null);
    }

    private static (string Name, Lazy<Peer> Peer) Create(string name, IEnumerable<string> files, string? prefix = null) =>
        (name, new(() => LibrarySlots.CreatePeer(name, AllocatorLibrary.Load(files, prefix))));
}
