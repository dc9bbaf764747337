using System.Runtime;

namespace Emma.Templates.Tests;

// Keeps the collector from running, and so finalizers from being called for the first time, while memory is short: the runtime maps what it
// needs for that, and ends the process if it cannot.
internal sealed class NoCollections : IDisposable
{
    // More than a scenario allocates on the managed heap meanwhile.
    private const long Bytes = 96 << 20;

    internal NoCollections()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Expect.True(GC.TryStartNoGCRegion(Bytes));
    }

    // What the runtime is started with: no compiler in the background, a collector that has the bytes at hand, and code that needs no
    // second mapping.
    internal static (string Name, string Value)[] QuietRuntime { get; } =
        [("DOTNET_TieredCompilation", "0"), ("DOTNET_GCHeapHardLimit", "0x40000000"), ("DOTNET_gcConcurrent", "0"),
            ("DOTNET_EnableWriteXorExecute", "0")];

    public void Dispose()
    {
        Expect.Equal(GCLatencyMode.NoGCRegion, GCSettings.LatencyMode);
        GC.EndNoGCRegion();
    }
}
