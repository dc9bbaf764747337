using System.Diagnostics;
using System.Globalization;
using Emma.Benchmarks.Processes;

namespace Emma.Benchmarks.Footprint;

// A number of idle heaps in this process: what each adds, and what starting and destroying one takes.
internal static class FootprintJob
{
    internal const string Name = "footprint";

    // The heaps are started and destroyed about so many times, whatever their number; the least figures count.
    private const int Starts = 200;

    private const int MostRounds = 20;

    // Per heap.
    internal sealed record Outcome(
        double ResidentKilobytes,
        double Mappings,
        double AddressKilobytes,
        double FirstStartMicroseconds,
        double StartMicroseconds,
        double DestroyMicroseconds);

    internal static Outcome RunInChild(string peer, int count)
    {
        string[] lines = ChildProcess.Run(Child.Verb, Name, peer, count.ToString(CultureInfo.InvariantCulture));
        double[] figures = [.. lines[^1].Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return new Outcome(figures[0], figures[1], figures[2], figures[3], figures[4], figures[5]);
    }

    internal static void Run(string peer, string[] args)
    {
        int count = int.Parse(args[0], CultureInfo.InvariantCulture);

        // One heap more goes first and stays, so that what is set up or compiled once in a process is nobody's.
        IdleHeaps warmUp = IdleHeaps.Create(peer, 1);
        TimePerHeap(warmUp.StartAll, 1);
        MemorySnapshot keptByWarmUp = warmUp.Kept;
        MemorySnapshot.Take();

        IdleHeaps heaps = IdleHeaps.Create(peer, count);
        MemorySnapshot unused = MemorySnapshot.Take();
        double firstStart = TimePerHeap(heaps.StartAll, count);
        MemorySnapshot first = MemorySnapshot.Take() - unused;
        heaps.DestroyAll();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        MemorySnapshot added = first;
        double start = double.MaxValue;
        double destroy = double.MaxValue;
        for (int round = Math.Clamp(Starts / count, 2, MostRounds); round > 0; round--)
        {
            MemorySnapshot before = MemorySnapshot.Take();
            start = Math.Min(start, TimePerHeap(heaps.StartAll, count));
            MemorySnapshot difference = MemorySnapshot.Take() - before;
            destroy = Math.Min(destroy, TimePerHeap(heaps.DestroyAll, count));
            if (!heaps.FirstStartCounts && difference.ResidentBytes < added.ResidentBytes)
                added = difference;
        }

        MemorySnapshot kept = heaps.Kept - keptByWarmUp;
        double resident = (added.ResidentBytes + kept.ResidentBytes) / 1024.0 / count;
        double mappings = (added.Mappings + kept.Mappings) / (double)count;
        double mapped = (added.MappedBytes + kept.MappedBytes) / 1024.0 / count;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{resident} {mappings} {mapped} {firstStart} {start} {destroy}"));
        GC.KeepAlive(warmUp);
    }

    private static double TimePerHeap(Action work, int count)
    {
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / count;
    }
}
