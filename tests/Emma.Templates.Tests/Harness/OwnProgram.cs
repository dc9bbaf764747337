using System.Diagnostics;

namespace Emma.Templates.Tests;

/// <summary>Runs the program that is running, with other arguments, in a process of its own.</summary>
public static class OwnProgram
{
    /// <summary>What emulates this process's processor, a program and its arguments; null if nothing does.</summary>
    public static string? Emulator { get; } = Environment.GetEnvironmentVariable("EMMA_EMULATOR");

    /// <summary>Runs it to its end.</summary>
    /// <exception cref="TimeoutException">It stood still, and was killed.</exception>
    public static (int ExitCode, string Output) Run(string[] arguments, params (string Name, string Value)[] variables)
    {
        string[] command = [.. Emulator?.Split(' ') ?? [], Environment.ProcessPath!];
        var start = new ProcessStartInfo(command[0])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Array.ForEach(command[1..], start.ArgumentList.Add);
        // Started as `dotnet Tests.dll`, the program is the first argument.
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(typeof(OwnProgram).Assembly.Location);
        Array.ForEach(arguments, start.ArgumentList.Add);
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (Patience.WaitForExit(process) is string reason)
            throw new TimeoutException($"{string.Join(' ', arguments)}: {reason}\n{output.Result}{errors.Result}");

        return (process.ExitCode, output.Result + errors.Result);
    }
}
