using System.Globalization;
using System.Text.RegularExpressions;
using Emma.Benchmarks.Footprint;
using Emma.Benchmarks.Processes;

namespace Emma.Benchmarks.Start;

// The first block of one probe, in a process of its own that has nothing else.
internal static partial class StartJob
{
    private const string HeapClass = "ProbeHeap";
    private const string Host = "StartHost.dll";

    // What was compiled before the first block was there, and what that took. The heap's figures are those of its own methods.
    internal sealed record Compiled(int Methods, int NativeBytes, int HeapMethods, int HeapNativeBytes);

    internal sealed record Times(double CpuMilliseconds, double JitMilliseconds);

    // The JIT lists what it compiles, with sizes; that takes time, so times are taken without.
    internal static Compiled List(string probe, bool collectible)
    {
        string file = Path.GetTempFileName();
        try
        {
            Run(probe, collectible, new() { ["DOTNET_JitStdOutFile"] = file, ["DOTNET_JitDisasmSummary"] = "1" });
            (string Name, int Bytes)[] methods =
            [
                .. File.ReadLines(file)
                    .SkipWhile(line => !line.Contains("Program:MarkBegin", StringComparison.Ordinal))
                    .Skip(1)
                    .TakeWhile(line => !line.Contains("Program:MarkEnd", StringComparison.Ordinal))
                    .Select(line => ListedMethod().Match(line))
                    .Where(match => match.Success)
                    .Select(match => (match.Groups[1].Value, int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture)))
                    // A method that was compiled anew meanwhile, in the background, counts once.
                    .DistinctBy(method => method.Item1),
            ];
            (string Name, int Bytes)[] own = [.. methods.Where(method => method.Name.Contains(HeapClass, StringComparison.Ordinal))];
            return new(methods.Length, methods.Sum(method => method.Bytes), own.Length, own.Sum(method => method.Bytes));
        }
        finally
        {
            File.Delete(file);
        }
    }

    internal static Times Time(string probe, bool collectible)
    {
        string[] figures = Run(probe, collectible, [])[^1].Split(' ');
        return new(double.Parse(figures[3], CultureInfo.InvariantCulture), double.Parse(figures[2], CultureInfo.InvariantCulture));
    }

    private static string[] Run(string probe, bool collectible, Dictionary<string, string> environment)
    {
        string host = Path.Combine(AppContext.BaseDirectory, Host);
        string settings = Path.ChangeExtension(typeof(StartJob).Assembly.Location, ".runtimeconfig.json");
        string kind = collectible ? "collectible" : "main";
        return ChildProcess.RunPlain(environment, "exec", "--runtimeconfig", settings, host, IdleHeaps.AssemblyPath(probe), kind);
    }

    // "  12: JIT compiled Some.Type:Method(int) [Tier0, IL size=13, code size=88]"
    [GeneratedRegex(@"JIT compiled (.*) \[.*code size=(\d+)")]
    private static partial Regex ListedMethod();
}
