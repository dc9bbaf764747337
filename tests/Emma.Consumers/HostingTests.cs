using System.IO.Compression;
using System.Text.RegularExpressions;
using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>The second package, the guide and the samples that use packages, for somebody who has nothing but the packages.</summary>
public sealed partial class HostingTests(Workspace workspace)
{
    [Fact]
    public async Task Package_is_a_library_with_documentation_for_each_framework_and_depends_on_nothing()
    {
        using ZipArchive package = ZipFile.OpenRead(await workspace.GetHostingPackageAsync());
        string[] files = package.Entries.Select(entry => entry.FullName).ToArray();

        Assert.Equal(
            ["lib/net10.0/Emma.Hosting.dll", "lib/net10.0/Emma.Hosting.xml", "lib/net8.0/Emma.Hosting.dll", "lib/net8.0/Emma.Hosting.xml"],
            files.Where(file => file.StartsWith("lib/", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains("README.md", files);
        using StreamReader nuspec = new(package.GetEntry("Emma.Hosting.nuspec")!.Open());
        string text = await nuspec.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.DoesNotContain("<dependency ", text);
        Assert.Contains(">MIT OR Apache-2.0<", text);
        Assert.Contains($"<version>{await workspace.GetVersionAsync()}</version>", text);
    }

    [Fact]
    public async Task Programs_of_the_guide_run()
    {
        string guide = await File.ReadAllTextAsync(
            Path.Combine(Workspace.RepositoryRoot, "docs", "guide", "host-plugins.md"), TestContext.Current.CancellationToken);
        string folder = Path.Combine(workspace.Folder, "Guide");
        Match[] programs = Program().Matches(guide).ToArray();
        Assert.Equal(
            ["Host/Program.cs", "Plugin/Work.cs", "Service/Program.cs"],
            programs.Select(program => program.Groups[1].Value).Order(StringComparer.Ordinal));
        foreach (Match program in programs)
        {
            await File.WriteAllTextAsync(
                Path.Combine(folder, program.Groups[1].Value), program.Groups[2].Value, TestContext.Current.CancellationToken);
        }

        Finished build = (await workspace.BuildAsync(Path.Combine(folder, "Guide.slnx"))).MustSucceed();
        Assert.Contains("0 Warning(s)", build.Output);

        Finished host = (await workspace.DotnetAsync(Built("Host"), Built("Plugin"))).MustSucceed();
        Match said = OutputOfGuide().Match(guide);
        string[] expected = said.Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] lines = host.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(expected.Select(WithoutVersion), lines.Select(WithoutVersion));
        (await workspace.DotnetAsync(Built("Service"))).MustSucceed();

        string Built(string project) => Path.Combine(folder, project, "bin", "Debug", "net10.0", $"{project}.dll");
    }

    [LongFact]
    public async Task Sample_host_checks_all_that_it_claims()
    {
        string folder = workspace.CopyFromRepository("samples/PluginHost", without: ["nuget.config"]);
        (await workspace.BuildAsync(Path.Combine(folder, "Host"))).MustSucceed();

        Finished run = (await workspace.DotnetAsync(Path.Combine(folder, "Host", "bin", "Debug", "net10.0", "Host.dll"))).MustSucceed();
        Assert.Equal(8, run.Output.Split('✓').Length - 1);
    }

    [LongFact]
    public async Task Sample_server_leaves_nothing_in_its_heap()
    {
        string folder = workspace.CopyFromRepository("samples/Kestrel", without: ["nuget.config"]);
        (await workspace.BuildAsync(folder)).MustSucceed();

        Finished run = (await workspace.DotnetAsync(Path.Combine(folder, "bin", "Debug", "net10.0", "Kestrel.dll"))).MustSucceed();
        Assert.Contains("pools, 0 left", run.Output);
    }

    /// <summary>What a terminal shows: the tool that .NET has for it, from the registry.</summary>
    [LongFact]
    public async Task Counters_show_the_meter()
    {
        string folder = Path.Combine(workspace.Folder, "Counters");
        (await workspace.BuildAsync(folder)).MustSucceed();
        (await workspace.DotnetAsync("tool", "install", "dotnet-counters", "--version", "10.0.750501", "--tool-path", folder))
            .MustSucceed();

        string figures = Path.Combine(folder, "figures.csv");
        string program = Path.Combine(folder, "bin", "Debug", "net10.0", "Counters.dll");
        Finished run = await CommandLine.RunAsync(folder, Path.Combine(folder, "dotnet-counters"),
            ["collect", "--counters", "Emma.Heap", "--duration", "00:00:20", "--format", "csv", "-o", figures, "--", "dotnet", program]);
        Assert.True(File.Exists(figures), run.ToString());
        string shown = await File.ReadAllTextAsync(figures, TestContext.Current.CancellationToken);
        const string attributes = "[emma.heap.assembly=Counters;emma.heap.context=Default;emma.heap.name=Counters.Heap]";
        Assert.Contains($"emma.heap.memory.in_use (By){attributes},Metric,3145728", shown);
        Assert.Contains($"emma.heap.memory.limit (By){attributes},Metric,67108864", shown);
        Assert.Contains($"emma.heap.blocks ({{block}}){attributes},Metric,1", shown);
    }

    private static string WithoutVersion(string line) => Version().Replace(line, "#");

    [GeneratedRegex("```csharp\n// ([A-Za-z/]+\\.cs)\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Program();

    [GeneratedRegex("```text\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex OutputOfGuide();

    [GeneratedRegex("[0-9]+([.][0-9]+)+")]
    private static partial Regex Version();
}
