namespace Emma.Benchmarks.Micro;

/// <summary>A pattern over one peer, ready to run.</summary>
/// <param name="Run">Runs the pattern so many times.</param>
/// <param name="Release">Frees the blocks that the pattern keeps between runs.</param>
internal sealed record Kernel(Action<int> Run, Action Release)
{
    internal Kernel(Action<int> run)
        : this(run, static () => { })
    {
    }
}
