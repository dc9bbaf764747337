namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What child processes do: see <see cref="Emma.Templates.Tests.ChildProcess"/>.</summary>
        public static partial class Scenarios;
    }
}
