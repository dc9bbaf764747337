using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>What is in the nupkg, and what is not.</summary>
public sealed class PackageTests(Workspace workspace)
{
    [Fact]
    public async Task Package_holds_the_analyzer_and_nothing_to_link_or_deploy()
    {
        string[] files = await ListFilesAsync();

        Assert.Equal(
            ["analyzers/dotnet/cs/Emma.CodeFixes.dll", "analyzers/dotnet/cs/Emma.Generator.dll"],
            files.Where(file => file.EndsWith(".dll", StringComparison.Ordinal)).Order());
        Assert.DoesNotContain(files, file => Path.GetExtension(file) is ".so" or ".exe" or ".pdb" or ".a");
        Assert.DoesNotContain(files, file => TopFolder(file) is "lib" or "ref" or "runtimes" or "content" or "contentFiles" or "tools");
    }

    [Fact]
    public async Task Package_has_props_and_targets_in_build_only()
    {
        string[] files = await ListFilesAsync();

        Assert.Equal(
            ["build/Emma.Generator.props", "build/Emma.Generator.targets"],
            files.Where(file => Path.GetExtension(file) is ".props" or ".targets").Order());
    }

    [Fact]
    public async Task Package_has_no_dependencies() =>
        Assert.DoesNotContain((await ReadNuspecAsync()).Descendants(), element => element.Name.LocalName == "dependency");

    [Fact]
    public async Task Package_is_a_development_dependency() => Assert.Equal("true", await ReadNuspecAsync("developmentDependency"));

    [Fact]
    public async Task Package_lets_the_user_choose_between_two_licences()
    {
        XElement licence = (await ReadNuspecAsync()).Descendants().Single(element => element.Name.LocalName == "license");

        Assert.Equal("expression", licence.Attribute("type")!.Value);
        Assert.Equal("MIT OR Apache-2.0", licence.Value);
    }

    [Fact]
    public async Task Package_brings_its_readme()
    {
        string readme = await ReadNuspecAsync("readme");

        Assert.Equal(
            await File.ReadAllTextAsync(Path.Combine(Workspace.RepositoryRoot, "README.md"), TestContext.Current.CancellationToken),
            new StreamReader(await OpenAsync(readme)).ReadToEnd());
    }

    [Fact]
    public async Task Package_brings_its_icon()
    {
        string icon = await ReadNuspecAsync("icon");
        byte[] start = new byte[4];
        (await OpenAsync(icon)).ReadExactly(start);

        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], start);
    }

    [Theory]
    [InlineData("Emma.Generator")]
    [InlineData("Emma.CodeFixes")]
    public async Task Analyzer_carries_its_symbols(string name)
    {
        using var analyzer = new PEReader(await OpenAsync($"analyzers/dotnet/cs/{name}.dll"));

        Assert.Contains(analyzer.ReadDebugDirectory(), entry => entry.Type == DebugDirectoryEntryType.EmbeddedPortablePdb);
    }

    /// <summary>A compiler has no workspaces to load it with.</summary>
    [Theory]
    [InlineData("Emma.Generator", false)]
    [InlineData("Emma.CodeFixes", true)]
    public async Task Code_fixes_alone_reference_workspaces_and_neither_assembly_the_other(string name, bool hasWorkspaces)
    {
        using var analyzer = new PEReader(await OpenAsync($"analyzers/dotnet/cs/{name}.dll"));
        MetadataReader metadata = analyzer.GetMetadataReader();
        string[] references = [.. metadata.AssemblyReferences
            .Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))];

        Assert.Equal(hasWorkspaces, references.Any(reference => reference.Contains("Workspaces", StringComparison.Ordinal)));
        Assert.DoesNotContain(references, reference => reference.StartsWith("Emma.", StringComparison.Ordinal));
    }

    private static string TopFolder(string file) => file.Split('/')[0];

    private async Task<string[]> ListFilesAsync()
    {
        using ZipArchive package = ZipFile.OpenRead(await workspace.Package);
        return package.Entries.Select(entry => entry.FullName).ToArray();
    }

    private async Task<string> ReadNuspecAsync(string element) =>
        (await ReadNuspecAsync()).Descendants().Single(found => found.Name.LocalName == element).Value;

    private async Task<XDocument> ReadNuspecAsync() => XDocument.Load(await OpenAsync("Emma.Generator.nuspec"));

    private async Task<Stream> OpenAsync(string file)
    {
        using ZipArchive package = ZipFile.OpenRead(await workspace.Package);
        ZipArchiveEntry entry = package.GetEntry(file) ?? throw new FileNotFoundException("Not in the package", file);
        var contents = new MemoryStream();
        using Stream compressed = entry.Open();
        await compressed.CopyToAsync(contents);
        contents.Position = 0;
        return contents;
    }
}
