using System.Collections.Immutable;
using Emma.Generator.Diagnostics;
using Emma.Generator.Model;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

public class MemoryLimitDiagnosticTests
{
    private static readonly Heap s_cached = new("", true, false, false, false, true, 0, false, false);

    [Theory]
    [MemberData(nameof(RunningTests.SomeForms), MemberType = typeof(RunningTests))]
    public async Task A_limit_is_warned_of_if_and_only_if_the_heap_can_serve_no_block_under_it(string form)
    {
        long needed = Needed(form);
        TestProject project = new(
            $$"""
            [assembly: Emma.EmmaAllocator("Enough", MemoryLimit = {{needed}}{{form}})]
            [assembly: Emma.EmmaAllocator("TooLittle", MemoryLimit = {|EMMA0009:{{needed - 1}}|}{{form}})]
            """,
            """
            static unsafe class Limited
            {
                public static object Run()
                {
                    bool served = Enough.TryAlloc(1) != null;
                    bool refused = TooLittle.TryAlloc(1) == null;
                    Enough.Destroy();
                    TooLittle.Destroy();
                    return $"served: {served}, refused: {refused}";
                }
            }
            """);

        GeneratorOutput output = await DiagnosticAssert.MatchesAsync(project, emitted: ["Enough", "TooLittle"]);

        using PluginAssembly assembly = new(output.Emit());
        Assert.Equal("served: True, refused: True", assembly.Call("Limited", "Run"));
    }

    [Fact]
    public async Task The_warning_says_how_much_is_needed()
    {
        ImmutableArray<Diagnostic> diagnostics =
            await new TestProject("""[assembly: Emma.EmmaAllocator("A", MemoryLimit = 1)]""").Generate().AnalyzeAsync();

        Assert.Contains($"{FirstBlock.NeedsBytes(s_cached)} bytes", Assert.Single(diagnostics).GetMessage(null), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Checks_that_a_debug_build_has_by_default_ask_for_no_higher_limit_than_the_release_build()
    {
        TestProject project = new(
            $$"""
            [assembly: Emma.EmmaAllocator("A", MemoryLimit = {{FirstBlock.NeedsBytes(s_cached)}})]
            [assembly: Emma.EmmaAllocator("B", MemoryLimit = {|EMMA0009:{{FirstBlock.NeedsBytes(s_cached) - 1}}|})]
            """);

        await DiagnosticAssert.MatchesAsync(project, emitted: ["A", "B"]);
        await DiagnosticAssert.MatchesAsync(
            project with { Options = project.Options.WithOptimizationLevel(OptimizationLevel.Release) }, emitted: ["A", "B"]);
    }

    [Fact]
    public async Task No_limit_a_negative_one_and_the_highest_are_not_too_small() =>
        await DiagnosticAssert.MatchesAsync(
            new TestProject(
                """
                [assembly: Emma.EmmaAllocator("A", MemoryLimit = 0)]
                [assembly: Emma.EmmaAllocator("B", MemoryLimit = {|EMMA0005:-1|})]
                [assembly: Emma.EmmaAllocator("C", MemoryLimit = long.MaxValue)]
                """),
            emitted: ["A", "C"]);

    /// <summary>It is a warning, unlike those that explain why a heap is missing.</summary>
    [Fact]
    public async Task The_warning_can_be_switched_off()
    {
        ImmutableArray<Diagnostic> diagnostics = await new TestProject(
            """
            #pragma warning disable EMMA0009
            [assembly: Emma.EmmaAllocator("A", MemoryLimit = 1)]
            """).Generate().AnalyzeAsync();

        Assert.True(Assert.Single(diagnostics).IsSuppressed);
    }

    private static long Needed(string form) => FirstBlock.NeedsBytes(s_cached with
    {
        ThreadCache = !form.Contains("ThreadCache = false", StringComparison.Ordinal),
        BoundaryChecks = !form.Contains("BoundaryChecks = false", StringComparison.Ordinal),
        Hardened = form.Contains("Hardened", StringComparison.Ordinal),
    });
}
