using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Emma.Mutations.Tests;

// A copy of the tests' program, in which the tests can be replaced.
internal sealed partial class TestRun : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("emma-mutant-");

    internal TestRun()
    {
        foreach (string file in Directory.EnumerateFiles(Repository.TestedBinaries, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(_folder.FullName, Path.GetRelativePath(Repository.TestedBinaries, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    // The assembly of the tests.
    internal string Assembly => Path.Combine(_folder.FullName,
        Path.GetFileName(Path.TrimEndingDirectorySeparator(Repository.TestedProject)) + ".dll");

    public void Dispose() => _folder.Delete(recursive: true);

    // Runs some tests.
    // tests: The class and the method of each.
    internal Outcome Run(IEnumerable<string> tests)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(start.FileName) != "dotnet")
            start.FileName = "dotnet";
        start.ArgumentList.Add(Assembly);
        start.ArgumentList.Add("-noColor");
        foreach (string test in tests)
        {
            start.ArgumentList.Add("-method");
            start.ArgumentList.Add("*" + test);
        }

        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        // The fast form of a test is to find the bug.
        start.Environment.Remove(Length.Variable);
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        // What hangs is no test that fails.
        if (Patience.WaitForExit(process) is string reason)
            Assert.Fail($"{reason}\n{output.Result}{errors.Result}");

        string all = output.Result + errors.Result;
        Match total = Total().Match(all);
        return new Outcome(process.ExitCode == 0, total.Success ? int.Parse(total.Groups[1].Value, CultureInfo.InvariantCulture)
            : null, all);
    }

    [GeneratedRegex(@"Total: (\d+)")]
    private static partial Regex Total();

    // What became of the tests.
    // Passed: Whether all passed.
    // Tests: How many there were; null: the program ended before it could say.
    // Output: What it said.
    internal sealed record Outcome(bool Passed, int? Tests, string Output);
}
