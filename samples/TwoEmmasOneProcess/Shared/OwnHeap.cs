using TwoEmmasOneProcess.Contracts;

namespace TwoEmmasOneProcess;

// Compiled into both plugins: what each tells the host about the PluginHeap of its own assembly.
internal static unsafe class OwnHeap
{
    public static HeapView View()
    {
        PluginHeap.HeapStatistics figures = PluginHeap.GetStatistics();
        return new HeapView
        {
            ClassName = typeof(PluginHeap).FullName!,
            AssemblyName = typeof(PluginHeap).Assembly.GetName().Name!,
            Kernel = PluginHeap.Kernel.ToString(),
            Mapped = figures.MappedBytes,
            InUse = figures.InUseBytes,
            Free = figures.FreeBytes,
            Header = figures.HeaderBytes,
            Cached = figures.CachedBytes,
            Segments = figures.Segments,
            LargeBlocks = figures.LargeBlocks,
        };
    }

    public static bool Owns(ulong address) => PluginHeap.Owns((void*)address);
}
