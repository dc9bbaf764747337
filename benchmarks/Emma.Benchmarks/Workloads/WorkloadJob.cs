using System.Diagnostics;
using System.Globalization;
using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;

namespace Emma.Benchmarks.Workloads;

// One workload over one peer in this process, which writes how long it took and how much memory was resident at most.
internal sealed class WorkloadJob(Workload workload, int threads, bool quick) : IPeerAction
{
    internal const string Name = "workload";

    private const string QuickFlag = "quick";
    private const string FullFlag = "full";

    private const double Megabyte = 1 << 20;

    // The work's wall time, the process's peak, how far that lies above what the process had when the work began, and the work's CPU time.
    internal sealed record Outcome(double Milliseconds, double PeakMegabytes, double GrowthMegabytes, double CpuMilliseconds);

    internal static Outcome RunInChild(Peer peer, Workload workload, int threads, bool quick)
    {
        string threadCount = threads.ToString(CultureInfo.InvariantCulture);
        string[] lines = ChildProcess.Run(Child.Verb, Name, peer.Name, workload.Name, threadCount, quick ? QuickFlag : FullFlag);
        double[] figures = [.. lines[^1].Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return new Outcome(figures[0], figures[1], figures[2], figures[3]);
    }

    internal static WorkloadJob Parse(string[] args) =>
        new(WorkloadList.Find(args[0]), int.Parse(args[1], CultureInfo.InvariantCulture), args[2] == QuickFlag);

    public unsafe void Invoke<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        if (Compilation.IsForGood)
            Compilation.Prepare(workload.GetType(), typeof(TAllocator));

        // Starting the allocator, and compiling it where it is C#, is not part of the work.
        TAllocator.Free(TAllocator.Alloc(1));

        long residentBefore = ProcessMemory.ResidentBytes;
        TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        workload.Run<TAllocator>(threads, quick);
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        double cpu = (Environment.CpuUsage.TotalTime - cpuBefore).TotalMilliseconds;
        long peak = ProcessMemory.PeakResidentBytes;
        double growth = (peak - residentBefore) / Megabyte;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{milliseconds} {peak / Megabyte} {growth} {cpu}"));
    }
}
