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

    // What was compiled before the first block was there. The heap's figures are those of its own methods; the last two are of all of
    // them, once `Prepare` has been called.
    internal sealed record Compiled(
        int Methods, int NativeBytes, int HeapMethods, int HeapNativeBytes, int PreparedMethods, int PreparedNativeBytes);

    internal sealed record Times(double CpuMilliseconds, double JitMilliseconds, long ILBytes);

    // What copies of a probe took together: the last two by kind of mapping.
    internal sealed record Many(long Methods, double CpuMilliseconds, long AllocatedBytes, string[] Kinds, long[] ResidentKilobytes)
    {
        internal long Resident => ResidentKilobytes.Sum();
    }

    // The JIT lists what it compiles, with sizes; that takes time, so times are taken without.
    internal static Compiled List(string probe, bool collectible)
    {
        string file = Path.GetTempFileName();
        try
        {
            Run(probe, collectible, new() { ["DOTNET_JitStdOutFile"] = file, ["DOTNET_JitDisasmSummary"] = "1" });
            string[] lines =
                [.. File.ReadLines(file).SkipWhile(line => !line.Contains("Program:MarkBegin", StringComparison.Ordinal)).Skip(1)];
            (string Name, int Bytes)[] first =
                Parse(lines.TakeWhile(line => !line.Contains("Program:MarkEnd", StringComparison.Ordinal)));
            (string Name, int Bytes)[] own = OfHeap(first);
            (string Name, int Bytes)[] prepared = OfHeap(Parse(lines));
            return new(
                first.Length,
                first.Sum(method => method.Bytes),
                own.Length,
                own.Sum(method => method.Bytes),
                prepared.Length,
                prepared.Sum(method => method.Bytes));
        }
        finally
        {
            File.Delete(file);
        }
    }

    // A method that was compiled anew meanwhile, in the background, counts once.
    private static (string Name, int Bytes)[] Parse(IEnumerable<string> lines) =>
    [
        .. lines.Select(line => ListedMethod().Match(line))
            .Where(match => match.Success)
            .Select(match => (match.Groups[1].Value, int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture)))
            .DistinctBy(method => method.Item1),
    ];

    private static (string Name, int Bytes)[] OfHeap((string Name, int Bytes)[] methods) =>
        [.. methods.Where(method => method.Name.Contains(HeapClass, StringComparison.Ordinal))];

    internal static Times Time(string probe, bool collectible)
    {
        double[] figures = Figures(Run(probe, collectible, [])[0]);
        return new(figures[3], figures[2], (long)figures[1]);
    }

    // Some copies of a probe, each in a collectible load context, in a process of their own. Without a probe, the contexts alone.
    internal static Many Load(string? probe, int count)
    {
        string[] lines = Run(probe, collectible: true, [], count);
        double[] figures = Figures(lines[0]);
        string[][] kinds = [.. lines.Skip(1).Select(line => line.Split(' ', 2))];
        return new(
            (long)figures[0],
            figures[3],
            (long)figures[4],
            [.. kinds.Select(kind => kind[1])],
            [.. kinds.Select(kind => long.Parse(kind[0], CultureInfo.InvariantCulture))]);
    }

    private static double[] Figures(string line) => [.. line.Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture))];

    private static string[] Run(string? probe, bool collectible, Dictionary<string, string> environment, int count = 1)
    {
        string host = Path.Combine(AppContext.BaseDirectory, Host);
        string settings = Path.ChangeExtension(typeof(StartJob).Assembly.Location, ".runtimeconfig.json");
        string kind = collectible ? "collectible" : "main";
        string assembly = probe is null ? "" : IdleHeaps.AssemblyPath(probe);
        string copies = count.ToString(CultureInfo.InvariantCulture);
        return ChildProcess.RunPlain(environment, "exec", "--runtimeconfig", settings, host, assembly, kind, copies);
    }

    // "  12: JIT compiled Some.Type:Method(int) [Tier0, IL size=13, code size=88]"
    [GeneratedRegex(@"JIT compiled (.*) \[.*code size=(\d+)")]
    private static partial Regex ListedMethod();
}
