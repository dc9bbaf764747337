using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Start;

// A plugin whose start is measured: with a heap of each form, and the same plugin without one.
// column: the column of tables.
// assembly: its assembly; null: a load context with nothing in it.
internal sealed record StartProbe(string Column, string? Assembly)
{
    // What the others cannot do without: a plugin of one method.
    internal const string OneMethod = "one method";

    internal static IReadOnlyList<StartProbe> Heaps { get; } =
    [
        new("plain", "OneHeap"),
        new("locked", "OneLockedHeap"),
        new("checked", "OneCheckedHeap"),
        new("hardened", "OneHardenedHeap"),
    ];

    internal static StartProbe EmptyContext { get; } = new("empty context", null);

    // Those whose allocator this machine has.
    internal static IReadOnlyList<StartProbe> Present =>
    [
        .. Heaps,
        new(PeerList.NativeMemoryName, "NoHeapNativeMemory"),
        .. PeerList.Find(PeerList.MimallocName).IsPresent
            ? [new StartProbe(PeerList.MimallocName, "NoHeapMimalloc")]
            : Array.Empty<StartProbe>(),
        new(OneMethod, "NoHeap"),
    ];
}
