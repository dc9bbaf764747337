namespace TwoEmmasOneProcess.Host;

// Two plugins, each with an allocator of its own compiled into it under the same name, work side by side in this process; then one goes,
// memory and all, while the other carries on.
internal static class Program
{
    private const int ThreadsPerPlugin = 4;
    private const int RoundsBeforeFirstLook = 10;
    private const int RoundsWhileOtherUnloads = 5;

    // More than an unload takes: finalizers of the plugin's objects run first, those that free the heap after them.
    private const int MostCollections = 50;

    private static int Main()
    {
        var report = new Report();
        report.Title("Two plugins, two heaps of one name, one process");
        LoadedPlugin a = LoadedPlugin.Load("PluginA", ThreadsPerPlugin);
        LoadedPlugin b = LoadedPlugin.Load("PluginB", ThreadsPerPlugin);
        a.Start();
        b.Start();
        bool worked = a.WaitForRounds(RoundsBeforeFirstLook) & b.WaitForRounds(RoundsBeforeFirstLook);
        a.Pause();
        b.Pause();
        HeapFootprint heapOfA = a.TakeFootprint();
        HeapFootprint heapOfB = b.TakeFootprint();
        report.Compare((a, heapOfA), (b, heapOfB));
        report.Check($"Both worked at once on {ThreadsPerPlugin} threads each, every checksum was right",
            worked && a.RoundsBesideOthers + b.RoundsBesideOthers > 0);
        report.Explain(a.Failure);
        report.Explain(b.Failure);
        report.Check("The heaps are two classes of one name",
            heapOfA.View.ClassName == heapOfB.View.ClassName && heapOfA.View.AssemblyName != heapOfB.View.AssemblyName);
        report.Check("Mapped = in use + free + headers + cached, in each heap", AddsUp(heapOfA) && AddsUp(heapOfB));
        report.Check("Their addresses are disjoint, and each disowns all pages of the other",
            heapOfA.IsDisjointFrom(heapOfB) && b.CountOwned(heapOfA.Owned) == 0 && a.CountOwned(heapOfB.Owned) == 0);
        CheckCodePages(report, heapOfA, heapOfB);

        report.Title("PluginA is unloaded while PluginB works");
        int roundsOfB = b.Rounds;
        b.Resume();
        a.Unload();
        int collections = CollectUntilGone(a, heapOfA);
        report.Check($"PluginA's code is gone after {collections} garbage collections", a.IsGone);
        CheckMemoryIsGone(report, "PluginA", heapOfA);
        CheckCodePages(report, heapOfB);
        bool workedOn = b.WaitForRounds(RoundsWhileOtherUnloads);
        b.Pause();
        report.Check($"PluginB did {b.Rounds - roundsOfB} more rounds since, every checksum was right", workedOn);
        report.Explain(b.Failure);
        heapOfB = b.TakeFootprint();
        report.Check($"PluginB's heap still holds {Report.Size(heapOfB.View.InUse)}, and its figures add up", AddsUp(heapOfB));

        report.Title("PluginB is unloaded");
        b.Unload();
        collections = CollectUntilGone(b, heapOfB);
        report.Check($"PluginB's code is gone after {collections} garbage collections", b.IsGone);
        CheckMemoryIsGone(report, "PluginB", heapOfB);
        CheckCodePages(report);
        report.Conclude(
            $"So two plugins had a heap each, private and of one name. Each heap went with its plugin and left nothing: "
                + $"{Report.Size(heapOfA.Resident + heapOfB.Resident)} were resident, "
                + $"and {Report.Size(heapOfA.ReadResident() + heapOfB.ReadResident())} are.");
        return report.ExitCode;
    }

    private static void CheckMemoryIsGone(Report report, string plugin, HeapFootprint heap)
    {
        long resident = heap.ReadResident();
        report.Check(
            $"{plugin}'s memory is unmapped: {Report.Size(heap.Resident)} were resident, {Report.Size(resident)} are",
            heap.HasVanished() && heap.Resident > 0 && resident == 0);
    }

    // A heap calls the kernel through a page of machine code, unless executable memory was refused to it.
    private static void CheckCodePages(Report report, params HeapFootprint[] loaded)
    {
        int pages = Mapping.ReadAll().Count(mapping => mapping.IsHeapCode);
        report.Check($"Heaps in the process: {loaded.Length}; their pages of machine code: {pages}",
            pages == loaded.Count(heap => heap.View.Kernel == "Trampolines"));
    }

    private static bool AddsUp(HeapFootprint heap) =>
        heap.View.InUse > 0 && heap.View.Mapped == heap.View.InUse + heap.View.Free + heap.View.Header + heap.View.Cached;

    private static int CollectUntilGone(LoadedPlugin plugin, HeapFootprint heap)
    {
        int collections = 0;
        while (collections < MostCollections && !(plugin.IsGone && heap.HasVanished()))
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            collections++;
        }

        return collections;
    }
}
