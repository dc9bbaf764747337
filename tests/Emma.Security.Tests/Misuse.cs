using System.Diagnostics;
using System.Globalization;
using Emma.Templates.Tests;

namespace Emma.Security.Tests;

// How a misuse program ended.
internal enum Outcome
{
    // It ran to its end unhindered.
    NotCaught,

    // It ran to its end, and what it tried had no effect: zeros where it looked for old contents, another address.
    Harmless,

    // An exception refused the call that was wrong, before it did anything.
    Refused,

    // The process ended: the heap found corruption, or an access faulted.
    Ended,

    // It was still running at the time limit, or failed in a way that says nothing.
    Unclear,
}

// Runs misuse programs, each in a child process.
internal static class Misuse
{
    internal const string Argument = "--misuse";

    internal static readonly string[] Heaps = [nameof(Plain), nameof(Checked), nameof(Hardened)];

    internal static readonly nuint[] Sizes = Length.IsLong ? [8, 4096, 262_144] : [8];

    // Far above the second or so that the longest program takes, for machines that are busy.
    internal static IReadOnlyList<string> Programs => [.. MisusePrograms<Plain>.All.Keys];

    // Runs every program at every size, as many at once as there are processors.
    internal static Dictionary<(string Program, nuint Size), (Outcome Outcome, string Output)> RunAll(string heap) =>
        RunAll(heap, oldKernel: false);

    // The same; for the hardened heap also on a kernel that is made to seem one without guard markers.
    internal static Dictionary<(string Program, nuint Size), (Outcome Outcome, string Output)> RunAll(string heap, bool oldKernel)
    {
        Dictionary<(string, nuint), (Outcome, string)> outcomes = [];
        Parallel.ForEach(
            Programs.SelectMany(program => Sizes.Select(size => (program, size))),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            run =>
            {
                (Outcome, string) outcome = Run(heap, run.program, run.size, oldKernel);
                lock (outcomes)
                    outcomes[run] = outcome;
            });
        return outcomes;
    }

    internal static (Outcome Outcome, string Output) Run(string heap, string program, nuint size, bool oldKernel = false)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Started as `dotnet Tests.dll`, the program is the first argument.
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(typeof(Misuse).Assembly.Location);
        foreach (string argument in new[] { Argument, heap, program, size.ToString(CultureInfo.InvariantCulture) })
            start.ArgumentList.Add(argument);
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        if (oldKernel)
            start.Environment[OldKernel.Variable] = "1";

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (Patience.WaitForExit(process) is string reason)
            return (Outcome.Unclear, $"{reason}\n{output.Result}{errors.Result}");

        Outcome outcome = process.ExitCode switch
        {
            0 => Outcome.Harmless,
            Program.NotCaught => Outcome.NotCaught,
            Program.Refused => Outcome.Refused,
            > 128 => Outcome.Ended,
            _ => Outcome.Unclear,
        };
        return (outcome, $"exit code {process.ExitCode}\n{output.Result}{errors.Result}");
    }
}
