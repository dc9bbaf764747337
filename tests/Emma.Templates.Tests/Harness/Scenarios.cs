namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    /// <summary>What child processes do: see <see cref="Emma.Templates.Tests.ChildProcess"/>.</summary>
    public static partial class Scenarios;
}
