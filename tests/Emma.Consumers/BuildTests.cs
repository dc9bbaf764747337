using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>What the package adds to a project, and under which circumstances a project with it builds.</summary>
public sealed class BuildTests(Workspace workspace)
{
    private static readonly string[] s_marker = ["Emma.EmmaAllocatorAttribute", "Microsoft.CodeAnalysis.EmbeddedAttribute"];

    [Fact]
    public async Task Assembly_with_heaps_imports_nothing_native() =>
        Assert.Equal(0, AssemblyFacts.Read(await workspace.BuiltCleanAsync("TwoHeaps")).NativeImports);

    [Fact]
    public async Task Assembly_with_heaps_references_the_framework_alone()
    {
        string framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        AssemblyFacts facts = AssemblyFacts.Read(await workspace.BuiltCleanAsync("TwoHeaps"));

        Assert.All(facts.References, reference => Assert.True(File.Exists(Path.Combine(framework, $"{reference}.dll")), reference));
    }

    [Fact]
    public async Task Library_for_netstandard_without_the_attribute_gets_the_marker_alone()
    {
        AssemblyFacts facts = AssemblyFacts.Read(await workspace.BuiltCleanAsync("NetStandard", "netstandard2.0"));

        Assert.Equal([.. s_marker, "Empty"], facts.Types.OrderBy(type => type == "Empty").ThenBy(type => type));
        Assert.Equal(["netstandard"], facts.References);
    }

    [Fact]
    public async Task Visual_Basic_project_gets_nothing()
    {
        AssemblyFacts facts = AssemblyFacts.Read(await workspace.BuiltCleanAsync("VisualBasic"));

        Assert.DoesNotContain(facts.Types, type => type.Contains("Emma") || s_marker.Contains(type));
    }

    [Fact]
    public async Task FSharp_project_gets_nothing()
    {
        AssemblyFacts facts = AssemblyFacts.Read(await workspace.BuiltCleanAsync("FSharp"));

        Assert.DoesNotContain(facts.Types, type => type.Contains("Emma") || s_marker.Contains(type));
    }

    [Fact]
    public async Task Heap_compiles_under_every_analyzer_and_style_rule_with_warnings_as_errors() =>
        await workspace.BuiltCleanAsync("Strict");

    [Fact]
    public async Task Public_heap_is_documented_in_the_documentation_file()
    {
        string assembly = await workspace.BuiltCleanAsync("Strict");

        string documentation = await File.ReadAllTextAsync(Path.ChangeExtension(assembly, ".xml"), TestContext.Current.CancellationToken);

        Assert.Contains("M:Strict.Memory.Alloc(System.UIntPtr)", documentation);
    }

    [Fact]
    public async Task Project_that_references_a_user_of_Emma_gets_no_unsafe_code()
    {
        Assert.True(AssemblyFacts.Read(await workspace.BuiltCleanAsync("Library")).IsUnsafe);
        Assert.False(AssemblyFacts.Read(await workspace.BuiltCleanAsync("LibraryUser")).IsUnsafe);
    }

    [Fact]
    public async Task Project_that_references_a_user_of_Emma_gets_no_global_using()
    {
        Assert.Contains("Emma", await ReadGlobalUsingsAsync("Library"));
        Assert.DoesNotContain("Emma", await ReadGlobalUsingsAsync("LibraryUser"));
    }

    [Fact]
    public async Task Compiler_that_is_too_old_is_told_in_one_sentence()
    {
        Finished build = await workspace.BuildAsync("OldCompiler", "-p:CompilerApiVersion=roslyn4.8");

        Assert.NotEqual(0, build.ExitCode);
        string[] errors = build.Output.Split('\n').Where(line => line.Contains("error")).Select(line => line.Trim()).Distinct().ToArray();
        Assert.Contains("error EMMACFG0001: Emma.Generator needs", Assert.Single(errors));
    }

    [Fact]
    public async Task Project_that_keeps_the_emitted_files_in_a_folder_of_its_own_builds_a_second_time()
    {
        await workspace.BuiltCleanAsync("EmittedFiles");
        string generated = Path.Combine(workspace.Folder, "EmittedFiles", "Generated");
        Assert.Equal(2, Directory.GetFiles(generated, "Options.g.cs", SearchOption.AllDirectories).Length);

        Finished again = (await workspace.BuildAsync("EmittedFiles", "--no-incremental")).MustSucceed();
        Assert.Contains("0 Warning(s)", again.Output);
        // The folder stays, the compiler does not write it any more.
        if (Length.IsLong)
            (await workspace.BuildAsync("EmittedFiles", "--no-incremental", "-p:EmitCompilerGeneratedFiles=false")).MustSucceed();
    }

    private async Task<string> ReadGlobalUsingsAsync(string project)
    {
        string assembly = await workspace.BuiltCleanAsync(project);
        string generated = Path.GetDirectoryName(assembly)!.Replace("bin", "obj", StringComparison.Ordinal);
        return await File.ReadAllTextAsync(Path.Combine(generated, $"{project}.GlobalUsings.g.cs"), TestContext.Current.CancellationToken);
    }
}
