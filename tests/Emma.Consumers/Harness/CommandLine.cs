using System.Diagnostics;
using System.Text;

namespace Emma.Consumers.Harness;

/// <summary>A program that ran to its end.</summary>
/// <param name="Command">What was run, for messages.</param>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">What it wrote, both streams, line by line in the order of arrival.</param>
public sealed record Finished(string Command, int ExitCode, string Output)
{
    public Finished MustSucceed()
    {
        Assert.True(ExitCode == 0, ToString());
        return this;
    }

    public override string ToString() => $"exit code {ExitCode} of: {Command}\n{Output}";
}

/// <summary>Runs other programs.</summary>
public static class CommandLine
{
    // What `dotnet test` sets for its own child and what would lead another MSBuild or test host astray.
    private static readonly string[] s_privateVariables = ["MSBUILD", "TESTINGPLATFORM", "DOTNET_HOST_PATH", "DOTNET_CLI_TEST"];

    public static async Task<Finished> RunAsync(string folder, string fileName, string[] arguments,
        params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo(fileName, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string name in start.Environment.Keys.ToArray())
        {
            if (s_privateVariables.Any(prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)))
                start.Environment.Remove(name);
        }

        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;

        string command = $"{fileName} {string.Join(' ', arguments)}";
        var output = new StringBuilder();
        using var process = new Process { StartInfo = start };
        process.OutputDataReceived += Append;
        process.ErrorDataReceived += Append;
        process.Start();
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (await Task.Run(() => Patience.WaitForExit(process), TestContext.Current.CancellationToken) is string reason)
            Assert.Fail($"{reason}: {command}\n{output}");

        lock (output)
            return new Finished(command, process.ExitCode, output.ToString());

        void Append(object sender, DataReceivedEventArgs line)
        {
            lock (output)
                output.AppendLine(line.Data);
        }
    }
}
