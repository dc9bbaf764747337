using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Emma.Benchmarks.Processes;

// This program, started once more.
internal static class ChildProcess
{
    private const string Tunables = "GLIBC_TUNABLES";

    // Room for the thread-local storage of libraries that insist on the static kind, as Debian's jemalloc does.
    private const string StaticTls = "glibc.rtld.optional_static_tls";

    // Lets the runtime count calls from the first one on, instead of after a pause: short processes reach their final code too.
    private const string CallCountingDelay = "DOTNET_TC_CallCountingDelayMs";

    // Whether this process was started with the environment that the measurements need, which it cannot give itself.
    internal static bool HasEnvironment =>
        Environment.GetEnvironmentVariable(Tunables)?.Contains(StaticTls, StringComparison.Ordinal) == true
        && Environment.GetEnvironmentVariable(CallCountingDelay) is not null;

    // Starts the program anew with that environment, on the same terminal, and waits for it.
    internal static int RunWithEnvironment(string[] args)
    {
        ProcessStartInfo start = StartInfo(args);
        string? tunables = Environment.GetEnvironmentVariable(Tunables);
        start.Environment[Tunables] = (string.IsNullOrEmpty(tunables) ? "" : tunables + ":") + StaticTls + "=8192";
        start.Environment[CallCountingDelay] = "0";
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        return process.ExitCode;
    }

    // Runs the program with some arguments and returns the lines it writes.
    // Throws ChildFailedException: the process failed.
    internal static string[] Run(params string[] args)
    {
        ProcessStartInfo start = StartInfo(args);
        return ReadOutput(start, args);
    }

    // Runs the runtime's host program with some arguments, without what the measurements need in the environment but with something else.
    internal static string[] RunPlain(IReadOnlyDictionary<string, string> environment, params string[] args)
    {
        string runtime = RuntimeEnvironment.GetRuntimeDirectory();
        ProcessStartInfo start = new(Path.GetFullPath(Path.Combine(runtime, "../../../dotnet")), args) { UseShellExecute = false };
        start.Environment.Remove(CallCountingDelay);
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;

        return ReadOutput(start, args);
    }

    private static string[] ReadOutput(ProcessStartInfo start, string[] args)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new ChildFailedException($"{string.Join(' ', args)}: exit code {process.ExitCode}\n{errors.Result}", process.ExitCode);

        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static ProcessStartInfo StartInfo(string[] args)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!) { UseShellExecute = false };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(typeof(ChildProcess).Assembly.Location);

        foreach (string arg in args)
            start.ArgumentList.Add(arg);

        return start;
    }
}
