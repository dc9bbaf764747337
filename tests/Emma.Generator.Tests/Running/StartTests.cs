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
    /// whoever needs less lowers them. Where other heaps of the process have the words that threads have for thirty, a POSIX key takes the
    /// place, as it may here while other tests run: that is the second pair.
    /// </summary>
    [Theory]
    [InlineData(", BoundaryChecks = false", 80, 6_900, 81, 6_700)]
    [InlineData(", ThreadCache = false, BoundaryChecks = false", 123, 9_000, 123, 9_000)]
    [InlineData(", Hardened = true", 130, 10_550, 130, 10_300)]
    public void A_start_compiles_no_more_methods_and_no_more_IL_than_recorded(
        string form, int methods, int bytes, int methodsWithKey, int bytesWithKey)
    {
        TestProject project = new($"[assembly: Emma.EmmaAllocator(\"MyHeap\"{form})]", Source);
        project = project with { Options = project.Options.WithOptimizationLevel(OptimizationLevel.Release) };
        byte[] plugin = project.Generate().Emit();
        // The first one has what it needs of the base library compiled, too, unless another test has.
        Start(plugin);
        int[] compiled = Start(plugin);
        output.WriteLine($"{form}: {compiled[0]} methods, {compiled[1]} bytes of IL");
        bool isAsRecorded = (compiled[0] <= methods && compiled[1] <= bytes)
            || (compiled[0] <= methodsWithKey && compiled[1] <= bytesWithKey);
        Assert.True(isAsRecorded, $"{compiled[0]} methods and {compiled[1]} bytes of IL are compiled.");
    }

    [Fact]
    public void A_heap_behind_thirty_others_compiles_one_method_more()
    {
        TestProject project = new("[assembly: Emma.EmmaAllocator(\"MyHeap\", BoundaryChecks = false)]", Source);
        project = project with { Options = project.Options.WithOptimizationLevel(OptimizationLevel.Release) };
        byte[] plugin = project.Generate().Emit();
        List<PluginAssembly> plugins = [];
        try
        {
            for (int i = 0; i < 34; i++)
                plugins.Add(new PluginAssembly(plugin));
            int[][] compiled = [.. plugins.Select(assembly => (int[])assembly.Call("Plugin", "Run")!)];
            int[] last = compiled[^1];
            Assert.True(last[0] <= 81 && last[1] <= 6_700, $"{last[0]} methods and {last[1]} bytes of IL are compiled.");
        }
        finally
        {
            plugins.ForEach(assembly => assembly.Dispose());
        }
    }

    /// <summary>
    /// In a collectible load context nothing is compiled in advance that the compiler is expected to put into its callers: in a release
    /// build it does, in a debug build nothing is expected. What each operation may need is there when it has run once, of whatever size,
    /// on whatever thread.
    /// </summary>
    [Theory]
    [MemberData(nameof(FormsAndLevels))]
    public void A_plugin_compiles_nothing_of_its_heap_that_was_to_be_inlined(string form, OptimizationLevel level)
    {
        const string source =
            """
            using System.Runtime;
            using System.Threading;

            static class Plugin
            {
                static long s_compiled;

                public static int Run()
                {
                    Use(3, 10);
                    FreeMany();
                    long before = JitInfo.GetCompiledMethodCount(currentThread: true);
                    Use(2000, 1000);
                    long compiled = JitInfo.GetCompiledMethodCount(currentThread: true) - before;
                    Thread other = new(() =>
                    {
                        long before = JitInfo.GetCompiledMethodCount(currentThread: true);
                        Use(2000, 1000);
                        s_compiled = JitInfo.GetCompiledMethodCount(currentThread: true) - before;
                    });
                    other.Start();
                    Use(2000, 1000);
                    other.Join();
                    return (int)(compiled + s_compiled);
                }

                // More pages than may stay free.
                static unsafe void FreeMany()
                {
                    const int count = 80;
                    void** runs = stackalloc void*[count];
                    for (int i = 0; i < count; i++)
                        runs[i] = MyHeap.Alloc(300_000);
                    for (int i = 0; i < count; i++)
                        MyHeap.Free(runs[i]);
                }

                static unsafe void Use(int blocks, int rounds)
                {
                    nint* live = stackalloc nint[blocks];
                    for (int i = 0; i < rounds * 10; i++)
                    {
                        int at = i * 7 % blocks;
                        if (live[at] != 0)
                            MyHeap.Free((void*)live[at]);
                        live[at] = (nint)MyHeap.Alloc((nuint)(i * 31 % 40_000));
                        if (i % 5 == 0)
                            live[at] = (nint)MyHeap.Realloc((void*)live[at], (nuint)(i * 17 % 100_000));
                    }

                    void* large = MyHeap.Alloc(5 << 20);
                    large = MyHeap.Realloc(large, 20 << 20);
                    MyHeap.Free(MyHeap.AlignedAlloc(1000, 4096));
                    MyHeap.Free(MyHeap.AllocZeroed(100_000));
                    MyHeap.GetStatistics();
                    MyHeap.Trim();
                    MyHeap.Free(large);
                    for (int i = 0; i < blocks; i++)
                        MyHeap.Free((void*)live[i]);
                    MyHeap.Trim();
                }
            }
            """;
        TestProject project = new($"[assembly: Emma.EmmaAllocator(\"MyHeap\"{form})]", source);
        project = project with { Options = project.Options.WithOptimizationLevel(level) };
        using PluginAssembly assembly = new(project.Generate().Emit());
        Assert.Equal(0, assembly.Call("Plugin", "Run"));
    }

    public static MatrixTheoryData<string, OptimizationLevel> FormsAndLevels => new(
        Length.IsLong
            ? [", BoundaryChecks = false", ", BoundaryChecks = true", ", ThreadCache = false, BoundaryChecks = false", ", Hardened = true"]
            : [", BoundaryChecks = true"],
        [OptimizationLevel.Release, OptimizationLevel.Debug]);

    private static int[] Start(byte[] plugin)
    {
        using PluginAssembly assembly = new(plugin);
        return (int[])assembly.Call("Plugin", "Run")!;
    }
}
