using System.Runtime.InteropServices;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

public class SpeedTests(ITestOutputHelper output)
{
    /// <summary>
    /// What an editor pays for a heap when it opens a project: a new driver, which has nothing cached, in a process that has run others.
    /// The thread's processor time counts, and the best of several runs, because the other tests run beside this one.
    /// </summary>
    [Fact]
    public void The_first_run_of_a_new_driver_in_a_warm_compiler_takes_at_most_100_ms_for_a_heap()
    {
        TimeSpan best = TimeSpan.MaxValue;
        for (int run = 0; run < 10; run++)
        {
            TestProject project = new($"""[assembly: Emma.EmmaAllocator("Audio.Mixer{run}")]""");
            CSharpCompilation compilation = project.Compile();
            compilation.GetDiagnostics();
            GeneratorDriver driver = project.NewDriver();

            TimeSpan start = ProcessorTimeOfThread();
            driver.RunGeneratorsAndUpdateCompilation(compilation, out Compilation updated, out _);
            TimeSpan elapsed = ProcessorTimeOfThread() - start;

            output.WriteLine($"run {run}: {elapsed.TotalMilliseconds:F1} ms, {updated.SyntaxTrees.Count()} files");
            best = elapsed < best ? elapsed : best;
        }

        Assert.True(best.TotalMilliseconds <= 100, $"The best of ten runs took {best.TotalMilliseconds:F1} ms.");
    }

    private static TimeSpan ProcessorTimeOfThread()
    {
        const int clockOfThread = 3;
        long[] secondsAndNanoseconds = new long[2];
        Assert.Equal(0, ReadClock(clockOfThread, secondsAndNanoseconds));
        return TimeSpan.FromSeconds(secondsAndNanoseconds[0]) + TimeSpan.FromMicroseconds(secondsAndNanoseconds[1] / 1000.0);
    }

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern int ReadClock(int clock, long[] secondsAndNanoseconds);
}
