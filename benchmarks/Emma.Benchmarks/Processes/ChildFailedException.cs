namespace Emma.Benchmarks.Processes;

/// <summary>A process of this program ended badly; the message has its arguments and what it wrote.</summary>
internal sealed class ChildFailedException(string message) : Exception(message);
