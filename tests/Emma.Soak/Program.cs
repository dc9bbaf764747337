using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Emma.Soak;

/// <summary>
/// Runs the tests or, if asked to, a long run: <c>--soak minutes --seed S [--no-forks]</c>, <c>unload --times N</c>, <c>signals --times
/// N</c>. With <c>--watched</c>, a host watches all heaps meanwhile, those of plugins too.
/// </summary>
public static class Program
{
    public static Task<int> Main(string[] args)
    {
        var arguments = new Arguments(args);
        if (arguments.Run is not null)
            return Task.FromResult(Run(arguments));

        return args.Contains("--server") || args.Contains("--internal-msbuild-node")
            ? TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : ConsoleRunner.Run(args);
    }

    private static int Run(Arguments arguments)
    {
        try
        {
            using HostWatch? watch = arguments.Has("--watched") ? new HostWatch() : null;
            switch (arguments.Run)
            {
                case "unload":
                    return new UnloadRun(arguments).Run();
                case "signals":
                    return SignalRun.Run((int)arguments.Number("--times", 100_000));
                case "stale":
                    return StaleBlock.Touch(arguments.Word(1));
                default:
                    return new SoakRun(arguments).Run();
            }
        }
        catch (Exception exception)
        {
            Console.Error.WriteLine(exception);
            return 1;
        }
    }
}
