namespace Emma.Benchmarks.Processes;

// A process of this program ended badly; the message has its arguments and what it wrote.
internal sealed class ChildFailedException(string message) : Exception(message);
