using System.Reflection;
using Emma.Templates.Tests;
using Xunit.MicrosoftTestingPlatform;
using Xunit.Runner.InProc.SystemConsole;

namespace Emma.Security.Tests;

internal static class Program
{
    // What a child process ends with: the program ran to its end unhindered; it was refused; it is not one of ours.
    internal const int NotCaught = 42;

    internal const int Refused = 43;

    internal const int Unknown = 44;

    private static Task<int> Main(string[] args)
    {
        if (args is [Misuse.Argument, string heap, string program, string size])
            return Task.FromResult(Run(heap, program, nuint.Parse(size)));

        return args.Contains("--server") || args.Contains("--internal-msbuild-node")
            ? TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions)
            : ConsoleRunner.Run(args);
    }

    private static int Run(string heap, string program, nuint size)
    {
        IReadOnlyDictionary<string, Func<nuint, bool>> programs = heap switch
        {
            nameof(Plain) => MisusePrograms<Plain>.All,
            nameof(Checked) => MisusePrograms<Checked>.All,
            _ => MisusePrograms<Hardened>.All,
        };
        if (Environment.GetEnvironmentVariable(OldKernel.Variable) is not null)
            UseOldKernel();
        try
        {
            return programs[program](size) ? NotCaught : 0;
        }
        catch (Exception exception) when (exception is ArgumentException or OutOfMemoryException)
        {
            Console.WriteLine(exception.Message);
            return Refused;
        }
        catch (Exception exception)
        {
            Console.WriteLine(exception);
            return Unknown;
        }
    }

    private static unsafe void UseOldKernel()
    {
        HardenedHeap.Free(HardenedHeap.Alloc(1));
        HardenedHeap.Destroy();
        OldKernel.Install(typeof(HardenedHeap).GetNestedType("HeapInternals", BindingFlags.NonPublic)!
            .GetNestedType("KernelEntry", BindingFlags.NonPublic)!);
    }
}
