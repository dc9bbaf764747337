using Emma.Benchmarks.Callbacks;
using Emma.Benchmarks.Footprint;
using Emma.Benchmarks.Lifetimes;
using Emma.Benchmarks.Micro;
using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;
using Emma.Benchmarks.Reporting;
using Emma.Benchmarks.Residency;
using Emma.Benchmarks.Scaling;
using Emma.Benchmarks.Start;
using Emma.Benchmarks.Workloads;

namespace Emma.Benchmarks;

internal static class Program
{
    private const int Success = 0;
    private const int SomeFailed = 1;
    private const int BadUsage = 2;

    private static int Main(string[] args)
    {
        if (args.Length > 0 && args[0] == Child.Verb)
        {
            Child.Run(args);
            return Success;
        }

        if (Settings.Parse(args) is not Settings settings)
        {
            Console.Error.WriteLine(Settings.Usage);
            return BadUsage;
        }

        return ChildProcess.HasEnvironment ? Measure(settings) : ChildProcess.RunWithEnvironment(args);
    }

    private static int Measure(Settings settings)
    {
        if (LibraryPeers.FindBroken() is string broken)
        {
            Console.Error.WriteLine($"{broken} is no allocator's library, or its functions have another prefix.");
            return BadUsage;
        }

        TerminalReport.Prepare();
        TerminalReport.WritePeers();
        List<ResultTable> tables = [];
        Measure("lookup", BenchHeap.LookupBenchmark.Run);
        Measure("micro", MicroBenchmark.Run);
        Measure("lifetimes", LifetimeBenchmark.Run);
        Measure("callbacks", CallbackBenchmark.Run);
        Measure("workloads", WorkloadBenchmark.Run);
        Measure("lifetime", ResidencyBenchmark.Run);
        Measure("start", StartBenchmark.Run);
        Measure("footprint", FootprintBenchmark.Run);
        Measure("scaling", ScalingBenchmark.Run);
        Output.Write(settings, tables);
        foreach (string death in Failures.Deaths)
            Console.Error.WriteLine($"A library died: {death}");
        foreach (string failure in Failures.Messages)
            Console.Error.WriteLine($"Failed: {failure}");

        return Failures.Messages.Count == 0 ? Success : SomeFailed;

        void Measure(string mode, Func<Settings, Progress, IEnumerable<ResultTable>> run)
        {
            if (!settings.Runs(mode))
                return;

            List<ResultTable> results = [];
            Progress.Run(progress => results.AddRange(run(settings, progress)));
            results.ForEach(TerminalReport.Write);
            tables.AddRange(results);
        }
    }
}
