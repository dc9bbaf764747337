using System.Reflection;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
// As the generator does, so that a host finds the heap (HostWatch).
[assembly: AssemblyMetadata("Emma.Heap", "Emma.Templates.EmmaHeap+HeapInternals+HostEntry; 0.1.0.0")]

namespace Emma.Templates.Tests;

/// <summary>Runs the tests or, when a test started this program as a child, the scenario it was asked for.</summary>
public static class Program
{
    public static Task<int> Main(string[] args)
    {
        if (args.Length > 0 && args[0] == ChildProcess.Argument)
            return Task.FromResult(ChildProcess.RunScenario(args[1]));

        return args.Contains("--server") || args.Contains("--internal-msbuild-node")
            ? TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : ConsoleRunner.Run(args);
    }
}
