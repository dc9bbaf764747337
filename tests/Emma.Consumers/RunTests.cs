using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>Programs that allocate, resize, free and are refused, built and started in every way a program can be.</summary>
public sealed class RunTests(Workspace workspace)
{
    // Those of this code; fewer where some are put into their callers.
    private const int VectorMethods = 38;

    [Fact]
    public async Task Two_heaps_in_one_assembly_are_separate()
    {
        string assembly = await workspace.BuiltCleanAsync("TwoHeaps");

        (await workspace.DotnetAsync(assembly)).MustSucceed();
    }

    [Fact]
    public async Task Heap_works_where_arithmetic_is_checked()
    {
        string assembly = await workspace.BuiltCleanAsync("Checked");

        (await workspace.DotnetAsync(assembly)).MustSucceed();
    }

    [Fact]
    public async Task Library_for_an_older_framework_and_for_a_newer_one_works_in_both()
    {
        string user = await workspace.BuiltCleanAsync("MultiTargetUser");
        string older = await workspace.BuiltCleanAsync("MultiTarget", "netstandard2.0");
        string newer = await workspace.BuiltCleanAsync("MultiTarget");

        Finished run = await workspace.DotnetAsync(user, older, newer);

        Assert.StartsWith("over Marshal\na heap\n", run.MustSucceed().Output);
    }

    [Theory]
    [InlineData("net8.0", ".NET 8.")]
    [InlineData("net9.0", ".NET 9.")]
    public async Task Heap_works_on_a_self_contained_older_runtime(string framework, string runtime)
    {
        string assembly = await workspace.BuiltCleanAsync("SelfContained", framework, "linux-x64");

        Finished run = await CommandLine.RunAsync(workspace.Folder, Path.ChangeExtension(assembly, null), []);

        Assert.Contains(runtime, run.MustSucceed().Output);
    }

    [LongFact]
    public async Task Native_publish_has_no_warning_and_runs()
    {
        Assert.SkipUnless(HasTool("clang") || HasTool("gcc"), "NativeAOT links with clang or gcc, and neither is installed.");

        await PublishCleanAndRunAsync("Aot", allowed: ["Aot", "Aot.dbg"]);
    }

    [LongFact]
    public async Task Trimmed_single_file_publish_has_no_warning_and_runs()
    {
        await PublishCleanAndRunAsync("Trimmed", allowed: ["Trimmed", "Trimmed.pdb"]);

        string linked = Path.Combine(workspace.Folder, "Trimmed", "obj", "Release", "net10.0", "linux-x64", "linked", "Trimmed.dll");
        Assert.Empty(LinkedCode.BrokenBranches(linked));
    }

    [LongFact]
    public async Task Heap_that_was_compiled_ahead_compiles_next_to_nothing_when_it_runs()
    {
        await PublishCleanAndRunAsync("ReadyToRun", allowed: null);

        string list = Path.Combine(workspace.Folder, "compiled.txt");
        string program = Path.Combine(workspace.Folder, "ReadyToRun", "published", "ReadyToRun.dll");
        Finished run = await CommandLine.RunAsync(
            workspace.Folder, "dotnet", [program], ("DOTNET_JitStdOutFile", list), ("DOTNET_JitDisasmSummary", "1"));
        run.MustSucceed();

        // What is compiled again, in the background, because it is called often, has code until then.
        string[] compiled = File.ReadAllLines(list)
            .Where(line => line.Contains("Heap+") && !line.Contains("Tier1"))
            .Select(line => line.Split("JIT compiled ")[1].Split('(')[0].Split('.')[^1])
            .Order()
            .ToArray();

        // What does nothing but throw is never compiled ahead.
        string[] throwing =
        [
            .. from heap in new[] { "CheckedHeap", "HardenedHeap", "LockedHeap", "WorkoutHeap" }
               from method in new[] { "ThrowBadAlignment", "ThrowBadLimit" }
               select $"{heap}+HeapInternals:{method}",
        ];
        string[] others = [.. compiled.Except(throwing)];
        Assert.DoesNotContain(others, method => !method.StartsWith("HardenedHeap+", StringComparison.Ordinal));
        // What a hardened heap does with the processor's vectors is compiled for the one on which it runs.
        Assert.True(others.Length <= VectorMethods, $"{others.Length}: {string.Join(' ', others.Order())}");
    }

    private async Task PublishCleanAndRunAsync(string project, string[]? allowed)
    {
        Finished publish = (await workspace.PublishAsync(project)).MustSucceed();
        Assert.DoesNotContain("warning", publish.Output, StringComparison.OrdinalIgnoreCase);

        string published = Path.Combine(workspace.Folder, project, "published");
        if (allowed is not null)
            Assert.Equal(allowed, Directory.GetFiles(published).Select(Path.GetFileName).Order());
        (await CommandLine.RunAsync(workspace.Folder, Path.Combine(published, project), [])).MustSucceed();
    }

    internal static bool HasTool(string name) =>
        Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, name)));
}
