using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What child processes do: see <see cref="Emma.Templates.Tests.ChildProcess"/>.</summary>
        public static partial class Scenarios
        {
            /// <summary>Has a host watch the heap in those scenarios that may be watched.</summary>
            internal static readonly (string Name, string Value) Watched = ("EMMA_WATCHED", "1");

            private static HostWatch? WatchIfWanted() =>
                Environment.GetEnvironmentVariable(Watched.Name) == Watched.Value ? new HostWatch(typeof(EmmaHeap)) : null;
        }
    }
}
