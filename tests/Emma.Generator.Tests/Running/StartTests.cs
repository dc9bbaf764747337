using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

/// <summary>What a heap has compiled in a plugin before its first block is handed out: nearly all that a heap costs to have.</summary>
public class StartTests(ITestOutputHelper output)
{
    private const string Source =
        """
        using System.Runtime;

        static class Plugin
        {
            public static unsafe int[] Run()
            {
                long methods = JitInfo.GetCompiledMethodCount(currentThread: true);
                long bytes = JitInfo.GetCompiledILBytes(currentThread: true);
                MyHeap.Free(MyHeap.Alloc(100));
                methods = JitInfo.GetCompiledMethodCount(currentThread: true) - methods;
                bytes = JitInfo.GetCompiledILBytes(currentThread: true) - bytes;
                return [(int)methods, (int)bytes];
            }
        }
        """;

    /// <summary>
    /// The figures of this code, the bytes rounded up to the next fifty: the stubs of a call vary by a few. Whoever needs more says why,
    /// whoever needs less lowers them.
    /// </summary>
    [Theory]
    [InlineData(", BoundaryChecks = false", 635, 31_000)]
    [InlineData(", ThreadCache = false, BoundaryChecks = false", 495, 23_500)]
    [InlineData(", Hardened = true", 735, 38_500)]
    public void A_start_compiles_no_more_methods_and_no_more_IL_than_recorded(string form, int methods, int bytes)
    {
        TestProject project = new($"[assembly: Emma.EmmaAllocator(\"MyHeap\"{form})]", Source);
        project = project with { Options = project.Options.WithOptimizationLevel(OptimizationLevel.Release) };
        byte[] plugin = project.Generate().Emit();
        // The first one has what it needs of the base library compiled, too, unless another test has.
        Start(plugin);
        int[] compiled = Start(plugin);
        output.WriteLine($"{form}: {compiled[0]} methods, {compiled[1]} bytes of IL");
        Assert.True(compiled[0] <= methods && compiled[1] <= bytes, $"{compiled[0]} methods and {compiled[1]} bytes of IL are compiled.");
    }

    private static int[] Start(byte[] plugin)
    {
        using PluginAssembly assembly = new(plugin);
        return (int[])assembly.Call("Plugin", "Run")!;
    }
}
