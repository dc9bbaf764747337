namespace Emma.Benchmarks.Processes;

// A process of this program ended badly; the message has its arguments and what it wrote.
internal sealed class ChildFailedException(string message, int exitCode) : Exception(message)
{
    // The exit codes of processes that a signal ended are above this.
    private const int SignalBase = 128;

    // Whether the kernel ended it: what ran in it did what no program may.
    internal bool IsDeath { get; } = exitCode > SignalBase;
}
