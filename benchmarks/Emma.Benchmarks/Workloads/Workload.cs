using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Workloads;

/// <summary>A fixed amount of work for an allocator, modelled on one of the programs of mimalloc-bench and written afresh.</summary>
/// <param name="name">Its name there.</param>
internal abstract class Workload(string name)
{
    internal string Name { get; } = name;

    /// <summary>The numbers of threads that it is measured with.</summary>
    internal virtual IReadOnlyList<int> ThreadCounts => [1, 2];

    /// <summary>Does all of the work.</summary>
    /// <param name="threads">How many threads take part.</param>
    /// <param name="quick">A small part of the work only.</param>
    internal abstract void Run<TAllocator>(int threads, bool quick)
        where TAllocator : struct, IAllocator;
}
