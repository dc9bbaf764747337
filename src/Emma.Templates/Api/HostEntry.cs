namespace Emma.Templates;

using ClrHandler = global::System.Func<nuint, bool>;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What a host asks of this heap, whoever wrote the plugin. The package Emma.Hosting finds the class by an attribute of the assembly
        // and the methods by their names, so that these are a contract between versions: methods are added, never changed. What the host
        // does not call is not compiled. The module initializer keeps it from being trimmed away.
        internal static class HostEntry
        {
            // What GetStatistics says, in an order that stays: a later version adds its figures behind these.
            // Returns: how many figures this heap has; as many are written as there is room for.
            internal static int ReadFigures(global::System.Span<long> figures)
            {
                HeapCount count = CountIfRunning();
                global::System.Span<long> all = stackalloc long[]
                {
                    count.Mapped, count.InUse, count.Free, count.Header, count.Cached, count.PeakMapped, count.Limit, count.LiveBlocks,
                    count.Failed, count.Segments, count.LargeBlocks, count.ThreadCaches, count.Owners, count.Pins, count.Arenas,
                };
                all[..global::System.Math.Min(all.Length, figures.Length)].CopyTo(figures);
                return all.Length;
            }

            internal static long ReadLimit() => MemoryLimit;

            internal static void WriteLimit(long limit) => MemoryLimit = limit;

            internal static nuint TrimAll() => Trim();

            internal static bool OwnsAddress(nuint address) => Owns((void*)address);

            internal static ClrHandler? ReadHandler() => OutOfMemoryHandlers.Host;

            // False: another host has set one.
            internal static bool TryWriteHandler(ClrHandler? handler) => OutOfMemoryHandlers.TrySetHost(handler);
        }
    }
}
