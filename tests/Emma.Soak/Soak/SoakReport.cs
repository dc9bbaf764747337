using System.Diagnostics;

namespace Emma.Soak;

/// <summary>A line a second; the end of a run, with what replays it; and the end of a run that stands still.</summary>
public sealed class SoakReport(Func<string> events, Worker[] workers, string replay)
{
    private const int SecondsOfPatience = 120;

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly ManualResetEventSlim _ended = new ManualResetEventSlim();
    private int _secondsWithoutProgress;
    private long _stepsBefore;
    private bool _progress;

    public void Begin()
    {
        Console.WriteLine(replay);
        new Thread(PrintUntilEnded) { IsBackground = true }.Start();
    }

    public void NoteProgress() => Volatile.Write(ref _progress, true);

    public int End(Exception? failure)
    {
        _ended.Set();
        Print();
        if (failure is null)
        {
            Console.WriteLine($"clean: {_clock.Elapsed.TotalMinutes:f2} minutes, {workers.Sum(w => w.Allocations)} blocks, " +
                $"{workers.Sum(w => w.AllocatedBytes)} bytes");
            return 0;
        }

        Console.WriteLine($"FAILED: {failure}\nreplay: {replay}");
        return 1;
    }

    private void PrintUntilEnded()
    {
        while (!_ended.Wait(1000))
        {
            Print();
            long steps = workers.Sum(worker => worker.Steps);
            bool moved = Volatile.Read(ref _progress) && steps != _stepsBefore;
            Volatile.Write(ref _progress, false);
            _secondsWithoutProgress = moved ? 0 : _secondsWithoutProgress + 1;
            _stepsBefore = steps;
            if (_secondsWithoutProgress > SecondsOfPatience)
            {
                Console.WriteLine($"FAILED: no progress for {SecondsOfPatience} seconds\nreplay: {replay}");
                Environment.Exit(1);
            }
        }
    }

    private void Print()
    {
        nuint mapped = 0;
        // Not the temporary one, which may be destroyed right now.
        for (HeapKind heap = HeapKind.Plain; heap < HeapKind.Temporary; heap++)
            mapped += Heaps.Figures(heap).Mapped;
        Footprint footprint = Footprint.Take();
        Console.WriteLine(
            $"{_clock.Elapsed.TotalSeconds,6:f0} s: {workers.Sum(w => w.Steps) / 1e6:f2} M steps, " +
            $"{workers.Sum(w => w.Allocations) / 1e6:f2} M blocks of {MiB(workers.Sum(w => w.AllocatedBytes))}, " +
            $"live {workers.Sum(w => w.LiveBlocks)} of {MiB(workers.Sum(w => (long)w.LiveBytes))}, mapped {MiB((long)mapped)}, RSS " +
            $"{MiB(footprint.VmRss)}, {footprint.Mappings} mappings; " +
            $"{events()}, refused {workers.Sum(w => w.Refused)}, wrong heap {workers.Sum(w => w.Rejected)}");
    }

    private static string MiB(long bytes) => $"{bytes / 1048576.0:f0} MiB";
}
