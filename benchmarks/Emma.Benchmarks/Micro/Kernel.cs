namespace Emma.Benchmarks.Micro;

// A pattern over one peer, ready to run.
// Run: runs the pattern so many times.
// Release: frees the blocks that the pattern keeps between runs.
internal sealed record Kernel(Action<int> Run, Action Release)
{
    internal Kernel(Action<int> run)
        : this(run, static () => { })
    {
    }
}
