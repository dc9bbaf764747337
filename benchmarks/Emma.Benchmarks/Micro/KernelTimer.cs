using System.Diagnostics;
using Emma.Benchmarks.Reporting;

namespace Emma.Benchmarks.Micro;

// Times kernels in turn (A B C A B C …), so that the drift of a shared machine meets them alike.
// rounds: how often each kernel is timed.
// sampleTime: how long one timing should take.
internal sealed class KernelTimer(int rounds, TimeSpan sampleTime)
{
    // More calls than the runtime counts before it compiles a method for good.
    private const int WarmUpCalls = 60;

    private const int MostRepeats = 1 << 20;

    // The time per operation of each kernel, in nanoseconds; null where there is no kernel.
    internal Sample?[] Measure(IReadOnlyList<Kernel?> kernels, int operationsPerRun)
    {
        foreach (Kernel? kernel in kernels)
            WarmUp(kernel);

        int[] repeats = [.. kernels.Select(kernel => kernel is null ? 0 : ChooseRepeats(kernel))];
        TimeSpan[] cpuTimes = new TimeSpan[kernels.Count];
        TimeSpan[] wallTimes = new TimeSpan[kernels.Count];
        double[][] times = [.. kernels.Select(_ => new double[rounds])];
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < kernels.Count; i++)
            {
                if (kernels[i] is not Kernel kernel)
                    continue;

                TimeSpan cpuBefore = Environment.CpuUsage.TotalTime;
                TimeSpan time = Time(kernel, repeats[i]);
                cpuTimes[i] += Environment.CpuUsage.TotalTime - cpuBefore;
                wallTimes[i] += time;
                times[i][round] = time.TotalNanoseconds / ((double)repeats[i] * operationsPerRun);
            }
        }

        return [.. kernels.Select((kernel, i) => kernel is null ? (Sample?)null : Summarize(i))];

        Sample Summarize(int i) => Sample.Of(times[i]) with { CpuShare = cpuTimes[i] / wallTimes[i] };
    }

    private void WarmUp(Kernel? kernel)
    {
        // Slow patterns are compiled in the course of one call (on-stack replacement); no need to wait for sixty.
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; kernel is not null && i < WarmUpCalls && Stopwatch.GetElapsedTime(start) < 20 * sampleTime; i++)
            kernel.Run(1);
    }

    private int ChooseRepeats(Kernel kernel)
    {
        int repeats = 1;
        TimeSpan time;
        while ((time = Time(kernel, repeats)) < sampleTime / 4 && repeats < MostRepeats)
            repeats *= 2;

        return Math.Clamp((int)(repeats * (sampleTime / time)), 1, MostRepeats);
    }

    private static TimeSpan Time(Kernel kernel, int repeats)
    {
        long start = Stopwatch.GetTimestamp();
        kernel.Run(repeats);
        return Stopwatch.GetElapsedTime(start);
    }
}
