namespace AnalyzerProbe;

// Seconds of the processor that the process has used since the last lap.
internal sealed class CpuClock
{
    private TimeSpan _last = Environment.CpuUsage.TotalTime;

    internal double Lap()
    {
        TimeSpan now = Environment.CpuUsage.TotalTime;
        double seconds = (now - _last).TotalSeconds;
        _last = now;
        return seconds;
    }
}
