using System.Reflection;

namespace Emma.Templates.Tests;

/// <summary>
/// Runs a scenario in a process of its own, because it spoils the process: limits, exhausted tables, faults. A scenario is a public static
/// method without parameters of <see cref="EmmaHeap.HeapInternals.Scenarios"/>; it fails by throwing.
/// </summary>
public static class ChildProcess
{
    public const string Argument = "--scenario";

    // A scenario that does not hold here ends so, having said why.
    private const int SkippedCode = 77;

    // What the message of an exception begins with by which a test is skipped.
    private const string Skipped = "$XunitDynamicSkip$";

    /// <summary>Runs a scenario and demands that it succeeds.</summary>
    public static void MustSucceed(string scenario, params (string Name, string Value)[] variables)
    {
        (int exitCode, string output) = Run(scenario, variables);
        Expect.SkipWhen(exitCode == SkippedCode, output.Trim());
        Expect.True(exitCode == 0, $"scenario {scenario}: exit code {exitCode}\n{output}");
    }

    /// <summary>Runs a scenario to its end.</summary>
    public static (int ExitCode, string Output) Run(string scenario, params (string Name, string Value)[] variables) =>
        OwnProgram.Run([Argument, scenario], variables);

    internal static int RunScenario(string name)
    {
        MethodInfo scenario = typeof(EmmaHeap.HeapInternals.Scenarios).GetMethod(name)!;
        try
        {
            if (Environment.GetEnvironmentVariable(OldKernel.Variable) is not null)
                EmmaHeap.HeapInternals.UseOldKernel();
            scenario.CreateDelegate<Action>()();
            return 0;
        }
        catch (Exception exception) when (exception.Message.StartsWith(Skipped, StringComparison.Ordinal))
        {
            Console.Error.WriteLine(exception.Message[Skipped.Length..]);
            return SkippedCode;
        }
        catch (Exception exception)
        {
            Console.Error.WriteLine(exception);
            return 1;
        }
    }
}
