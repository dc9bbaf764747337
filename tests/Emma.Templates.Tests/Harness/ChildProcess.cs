using System.Diagnostics;
using System.Reflection;

namespace Emma.Templates.Tests;

/// <summary>
/// Runs a scenario in a process of its own, because it spoils the process: limits, exhausted tables, faults. A scenario is a public static
/// method without parameters of <see cref="EmmaHeap.Scenarios"/>; it fails by throwing.
/// </summary>
public static class ChildProcess
{
    public const string Argument = "--scenario";

    private static readonly TimeSpan s_timeLimit = TimeSpan.FromMinutes(1);

    /// <summary>Runs a scenario and demands that it succeeds.</summary>
    public static void MustSucceed(string scenario, params (string Name, string Value)[] variables)
    {
        (int exitCode, string output) = Run(scenario, variables);
        Expect.True(exitCode == 0, $"scenario {scenario}: exit code {exitCode}\n{output}");
    }

    /// <summary>Runs a scenario to its end.</summary>
    public static (int ExitCode, string Output) Run(string scenario, params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Started as `dotnet Tests.dll`, the program is the first argument.
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(typeof(ChildProcess).Assembly.Location);
        start.ArgumentList.Add(Argument);
        start.ArgumentList.Add(scenario);
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_timeLimit))
        {
            process.Kill();
            Expect.Fail($"scenario {scenario}: stopped after {s_timeLimit.TotalSeconds} seconds\n{output.Result}{errors.Result}");
        }

        return (process.ExitCode, output.Result + errors.Result);
    }

    internal static int RunScenario(string name)
    {
        MethodInfo scenario = typeof(EmmaHeap.Scenarios).GetMethod(name)!;
        try
        {
            scenario.CreateDelegate<Action>()();
            return 0;
        }
        catch (Exception exception)
        {
            Console.Error.WriteLine(exception);
            return 1;
        }
    }
}
