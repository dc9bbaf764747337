namespace Emma.Benchmarks.Processes;

// What went wrong while the rest was measured: its cells stay empty, and the program ends with an error.
internal static class Failures
{
    private static readonly List<string> s_messages = [];

    internal static IReadOnlyList<string> Messages => s_messages;

    // The result of some work in a process of its own; null if that failed.
    internal static T? Try<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ChildFailedException failure)
        {
            s_messages.Add(failure.Message);
            return default;
        }
    }
}
