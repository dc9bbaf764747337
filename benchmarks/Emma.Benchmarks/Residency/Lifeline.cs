using System.Diagnostics;
using System.Globalization;
using Emma.Benchmarks.Peers;
using Emma.Benchmarks.Processes;

namespace Emma.Benchmarks.Residency;

// What was live and what was resident at one moment of a program's life, both in MiB and above what the process had before, and the CPU
// time that had passed since the moment before, in ms.
internal sealed record Moment(string Name, double LiveMegabytes, double ResidentMegabytes, double CpuMilliseconds);

// A program's life over one peer in this process; it notes moments.
internal abstract class Lifeline(string name)
{
    private const double Megabyte = 1 << 20;

    private readonly List<Moment> _moments = [];
    private double _residentBefore;
    private TimeSpan _cpuBefore;

    internal string Name { get; } = name;

    // Lives, and returns the moments noted.
    internal IReadOnlyList<Moment> Run<TAllocator>(bool quick)
        where TAllocator : struct, IAllocator
    {
        Prepare<TAllocator>(quick);
        _residentBefore = ProcessMemory.ResidentBytes / Megabyte;
        _cpuBefore = Environment.CpuUsage.TotalTime;
        Live<TAllocator>(quick);
        return _moments;
    }

    // Has what belongs to the program itself resident, and its code compiled.
    protected abstract void Prepare<TAllocator>(bool quick)
        where TAllocator : struct, IAllocator;

    protected abstract void Live<TAllocator>(bool quick)
        where TAllocator : struct, IAllocator;

    protected void Note(string moment, long liveBytes)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        double resident = ProcessMemory.ResidentBytes / Megabyte - _residentBefore;
        _moments.Add(new Moment(moment, liveBytes / Megabyte, Math.Max(resident, 0.01), (cpu - _cpuBefore).TotalMilliseconds));
        _cpuBefore = cpu;
    }

    // Waits while nobody uses the allocator.
    protected static void Rest(double seconds) => Thread.Sleep(TimeSpan.FromSeconds(seconds));
}

// Such a life in a process of its own, which writes a line for each moment.
internal sealed class LifelineJob(Lifeline line, bool quick) : IPeerAction
{
    internal const string Name = "lifeline";

    private const string QuickFlag = "quick";
    private const string FullFlag = "full";
    private const char Separator = '|';

    internal static Moment[] RunInChild(Peer peer, string line, bool quick) =>
        [.. ChildProcess.Run(Child.Verb, Name, peer.Name, line, quick ? QuickFlag : FullFlag).Select(ParseMoment)];

    internal static LifelineJob Parse(string[] args) => new(LifelineList.Find(args[0]), args[1] == QuickFlag);

    public void Invoke<TAllocator>()
        where TAllocator : struct, IAllocator
    {
        foreach (Moment moment in line.Run<TAllocator>(quick))
        {
            double[] figures = [moment.LiveMegabytes, moment.ResidentMegabytes, moment.CpuMilliseconds];
            string[] texts = [moment.Name, .. figures.Select(figure => figure.ToString(CultureInfo.InvariantCulture))];
            Console.WriteLine(string.Join(Separator, texts));
        }
    }

    private static Moment ParseMoment(string line)
    {
        string[] parts = line.Split(Separator);
        double[] figures = [.. parts.Skip(1).Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return new Moment(parts[0], figures[0], figures[1], figures[2]);
    }
}

// All lives, in the order of the tables.
internal static class LifelineList
{
    internal static IReadOnlyList<Lifeline> All { get; } =
    [
        new MixedLifetimes(96),
        new MixedLifetimes(512),
        new ThreadsComeAndGo(),
        new IdleThreads(),
    ];

    internal static Lifeline Find(string name) => All.Single(line => line.Name == name);
}
