namespace Emma.Benchmarks.Workloads;

// The workloads, in the order of the table's rows.
internal static class WorkloadList
{
    internal static IReadOnlyList<Workload> All { get; } =
    [
        new AllocTest(),
        new Larson(),
        new MStress(),
        new RpTest(),
        new XMallocTest(),
        new Sh6Bench(),
        new Sh8Bench(),
        new CacheScratch(),
        new CacheThrash(),
        new GlibcSimple(),
        new GlibcThread(),
        new MallocLarge(),
        new MLeak(),
    ];

    internal static Workload Find(string name) => All.Single(workload => workload.Name == name);
}
