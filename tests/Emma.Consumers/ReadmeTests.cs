using System.Text.RegularExpressions;
using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>The README is true for somebody who has nothing but the package.</summary>
public sealed partial class ReadmeTests(Workspace workspace)
{
    [Fact]
    public async Task Example_runs_in_a_fresh_console_project()
    {
        string folder = Path.Combine(workspace.Folder, "Fresh");
        string example = await ReadExampleAsync();
        (await workspace.DotnetAsync("new", "console", "-o", folder, "--no-restore")).MustSucceed();
        await File.WriteAllTextAsync(Path.Combine(folder, "Program.cs"), example, TestContext.Current.CancellationToken);
        string project = Path.Combine(folder, "Fresh.csproj");
        (await workspace.DotnetAsync("add", project, "package", "Emma.Generator", "--version", await workspace.GetVersionAsync()))
            .MustSucceed();
        Finished build = (await workspace.BuildAsync(folder)).MustSucceed();

        Assert.Contains("0 Warning(s)", build.Output);
        (await workspace.DotnetAsync(Path.Combine(folder, "bin", "Debug", "net10.0", "Fresh.dll"))).MustSucceed();
    }

    /// <summary>As <c>dotnet run app.cs</c>.</summary>
    [LongFact]
    public async Task Example_runs_as_a_program_of_one_file()
    {
        string folder = Directory.CreateDirectory(Path.Combine(workspace.Folder, "OneFile")).FullName;
        string directive = $"#:package Emma.Generator@{await workspace.GetVersionAsync()}\n";
        string program = Path.Combine(folder, "app.cs");
        await File.WriteAllTextAsync(program, directive + await ReadExampleAsync(), TestContext.Current.CancellationToken);

        (await workspace.DotnetAsync("run", program)).MustSucceed();
    }

    // The first of the README's examples that makes a heap.
    private static async Task<string> ReadExampleAsync()
    {
        string readme = await File.ReadAllTextAsync(
            Path.Combine(Workspace.RepositoryRoot, "README.md"), TestContext.Current.CancellationToken);
        return CodeBlock().Matches(readme).Select(match => match.Groups[1].Value)
            .First(code => code.Contains("[assembly: EmmaAllocator"));
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();
}
