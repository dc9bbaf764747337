using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

// They count what the whole process has mapped, and collect garbage.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Emma.Hosting.Tests;

/// <summary>The tests; or, as a child process of theirs, what must not happen in the process of the others.</summary>
public static class Program
{
    public const string ForkArgument = "fork";

    public static Task<int> Main(string[] args)
    {
        if (args is [ForkArgument, string heap])
            return Task.FromResult(ForkScenario.Run(heap));

        return args.Contains("--server") || args.Contains("--internal-msbuild-node")
            ? TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : ConsoleRunner.Run(args);
    }
}
