using System.Text.RegularExpressions;
using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>The README is true for somebody who has nothing but the package: what stands in it is pasted, and run.</summary>
public sealed partial class ReadmeTests(Workspace workspace) : IDisposable
{
    // Outside the workspace, whose own nuget.config would help.
    private readonly string _folder = Directory.CreateTempSubdirectory("emma-readme-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Example_runs_in_a_fresh_console_project_and_prints_what_the_readme_says()
    {
        (string code, string output) = (await ReadProgramsAsync()).First();
        await PrepareAsync();
        string project = Path.Combine(_folder, "Fresh", "Fresh.csproj");
        (await DotnetAsync("new", "console", "-o", "Fresh", "--no-restore")).MustSucceed();
        await File.WriteAllTextAsync(Path.Combine(_folder, "Fresh", "Program.cs"), code, TestContext.Current.CancellationToken);
        (await DotnetAsync("add", project, "package", "Emma.Generator", "--version", await workspace.GetVersionAsync())).MustSucceed();
        Finished build = (await DotnetAsync("build", project, "-nodeReuse:false", "--tl:off")).MustSucceed();

        Assert.Contains("0 Warning(s)", build.Output);
        Finished run = (await DotnetAsync(Path.Combine(_folder, "Fresh", "bin", "Debug", "net10.0", "Fresh.dll"))).MustSucceed();
        Assert.Equal(output.Trim(), run.Output.Trim());
    }

    [LongFact]
    public async Task Program_of_one_file_runs_and_prints_what_the_readme_says()
    {
        (string code, string output) = (await ReadProgramsAsync()).Single(program => program.Code.StartsWith("#:package"));
        await PrepareAsync();
        string pasted = code.Replace($"@{await ReadPrefixAsync()}\n", $"@{await workspace.GetVersionAsync()}\n", StringComparison.Ordinal);
        Assert.NotEqual(code, pasted);
        Assert.Equal(4, code.Trim().Split('\n').Length);
        await File.WriteAllTextAsync(Path.Combine(_folder, "app.cs"), pasted, TestContext.Current.CancellationToken);

        Finished run = (await DotnetAsync("run", "app.cs")).MustSucceed();
        Assert.Equal(output.Trim(), run.Output.Trim());
    }

    /// <summary>The version that is pasted is the one that is packed.</summary>
    [Fact]
    public async Task Version_of_the_readme_is_that_of_the_package()
    {
        string readme = await ReadAsync("README.md");
        string version = await ReadPrefixAsync();

        Assert.Contains($"""<PackageReference Include="Emma.Generator" Version="{version}" PrivateAssets="all" />""", readme);
        Assert.Contains($"**Version {version}.**", readme);
        Assert.StartsWith($"{version}-", await workspace.GetVersionAsync());
    }

    // What the README has its reader do: the package in a folder, and the file that names it.
    private async Task PrepareAsync()
    {
        Match config = Config().Match(await ReadAsync("README.md"));
        await File.WriteAllTextAsync(
            Path.Combine(_folder, "nuget.config"), config.Groups[1].Value, TestContext.Current.CancellationToken);
        string feed = Directory.CreateDirectory(Path.Combine(_folder, "feed")).FullName;
        File.Copy(await workspace.Package, Path.Combine(feed, Path.GetFileName(await workspace.Package)));
    }

    private Task<Finished> DotnetAsync(params string[] arguments) => CommandLine.RunAsync(_folder, "dotnet", arguments);

    // Each program that makes a heap, and the text below it.
    private static async Task<(string Code, string Output)[]> ReadProgramsAsync() =>
    [
        .. ProgramAndOutput().Matches(await ReadAsync("README.md")).Select(match => (match.Groups[1].Value, match.Groups[2].Value)),
    ];

    private static async Task<string> ReadPrefixAsync() => Prefix().Match(await ReadAsync("Directory.Build.props")).Groups[1].Value;

    private static Task<string> ReadAsync(string file) =>
        File.ReadAllTextAsync(Path.Combine(Workspace.RepositoryRoot, file), TestContext.Current.CancellationToken);

    [GeneratedRegex("```csharp\n((?:(?!```).)*)```\n\n```text\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex ProgramAndOutput();

    [GeneratedRegex("```xml\n(<configuration>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Config();

    [GeneratedRegex("<VersionPrefix>(.+)</VersionPrefix>")]
    private static partial Regex Prefix();
}
