using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

// A fixed amount of work for an allocator, modelled on one of the programs of mimalloc-bench and written afresh.
// name: its name there.
internal abstract class Workload(string name)
{
    internal string Name { get; } = name;

    // The numbers of threads that it is measured with; in a quick run the last of them alone.
    internal virtual IReadOnlyList<int> ThreadCounts => [1, 2];

    // Does all of the work.
    // threads: how many threads take part.
    // quick: a small part of the work only.
    internal abstract void Run<TAllocator>(int threads, bool quick)
        where TAllocator : struct, IAllocator;
}
