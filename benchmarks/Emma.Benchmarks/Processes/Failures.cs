using Emma.Benchmarks.Peers;

namespace Emma.Benchmarks.Processes;

// What went wrong while the rest was measured: its cells stay empty.
internal static class Failures
{
    private static readonly List<string> s_messages = [];
    private static readonly List<string> s_deaths = [];

    // The program ends with an error if there are any.
    internal static IReadOnlyList<string> Messages => s_messages;

    // Native libraries that died while they were measured, which is theirs to answer for: they are listed, as those that are absent are.
    internal static IReadOnlyList<string> Deaths => s_deaths;

    // The result of some work in a process of its own; null if that failed.
    // peer: whose allocator the process measures; null: none in particular.
    internal static T? Try<T>(Func<T> work, string? peer = null)
    {
        try
        {
            return work();
        }
        catch (ChildFailedException failure)
        {
            bool isForeign = failure.IsDeath && peer is not null && LibraryPeers.All.Any(library => library.Name == peer);
            (isForeign ? s_deaths : s_messages).Add(failure.Message);
            return default;
        }
    }
}
