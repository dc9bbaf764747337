using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Emma.Models.Tests;

// What SPIN found in one form of a model: it goes through every order of events and stops at the first that breaks a claim.
internal sealed partial record Exploration(int Errors, bool IsComplete, long States, string[] Unreached, string Report)
{
    private const string Missing = "is not installed. The models need SPIN and a C compiler: apt-get install spin gcc libc6-dev";

    // Is defined with each bug, for models that can leave out what no bug needs.
    private const string Seeded = "SEEDED";

    // More steps than any path of a model has.
    private const int MaxDepth = 100_000;

    private const int MaxMegabytes = 4096;

    // Explores a model as it should be.
    // model: The model.
    // macros: What is defined, as `NAME=value`.
    internal static Exploration Of(Model model, params string[] macros) => Of(model, macros, optimize: true, replay: true);

    // Explores a model with a seeded bug: it should not take long.
    internal static Exploration OfBug(Model model, string bug) => Of(model, [bug, Seeded], optimize: false, replay: false);

    private static Exploration Of(Model model, string[] macros, bool optimize, bool replay)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("emma-model-");
        try
        {
            // A copy, because SPIN writes the trail beside the model.
            string copy = Path.Combine(folder.FullName, "model.pml");
            File.Copy(model.File, copy);
            foreach (string included in Model.Included)
                File.Copy(included, Path.Combine(folder.FullName, Path.GetFileName(included)));
            string[] defines = [.. macros.Select(macro => "-D" + macro)];
            MustRun(folder, "spin", ["-a", .. defines, copy]);
            MustRun(folder, "gcc", [optimize ? "-O1" : "-O0", "-w", "-DSAFETY", $"-DMEMLIM={MaxMegabytes}", "-o", "pan", "pan.c"]);
            string report = MustRun(folder, Path.Combine(folder.FullName, "pan"), [$"-m{MaxDepth}", "-w22"]);
            int errors = int.Parse(ErrorCount().Match(report).Groups[1].Value, CultureInfo.InvariantCulture);
            if (errors != 0 && replay)
                report += MustRun(folder, "spin", ["-t", "-p", "-g", .. defines, copy]);
            return new Exploration(
                errors,
                !report.Contains("max search depth too small") && !report.Contains("out of memory")
                    && !report.Contains("Search not completed"),
                long.Parse(StoredStates().Match(report).Groups[1].Value, CultureInfo.InvariantCulture),
                [.. UnreachedSteps().Matches(report).Select(match => match.Value.Trim())],
                report);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string MustRun(DirectoryInfo folder, string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder.FullName,
        };
        using Process process = Start(start);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (Patience.WaitForExit(process) is string reason)
            Assert.Fail($"{program} {string.Join(' ', arguments)}: {reason}\n{output.Result}{errors.Result}");

        string all = output.Result + errors.Result;
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}\n{all}");
        return all;
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            Assert.Fail($"{start.FileName} {Missing}");
            throw;
        }
    }

    [GeneratedRegex(@"errors: (\d+)")]
    private static partial Regex ErrorCount();

    [GeneratedRegex(@"([\d.e+]+) states, stored")]
    private static partial Regex StoredStates();

    // A step that no order of events led to; processes without an end never reach theirs.
    [GeneratedRegex(@"^\t\S+:\d+, state \d+, (?!""-end-"").*$", RegexOptions.Multiline)]
    private static partial Regex UnreachedSteps();
}
