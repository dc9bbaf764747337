using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Emma.Consumers.Harness;

namespace Emma.Consumers;

/// <summary>What is in the nupkg, and what is not.</summary>
public sealed partial class PackageTests(Workspace workspace)
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

    /// <summary>What the README and the pages behind it link to is there, in the package and in the repository.</summary>
    [Fact]
    public async Task Links_of_the_packed_pages_lead_to_files_of_the_package()
    {
        string[] files = await ListFilesAsync();
        List<string> dead = [];
        foreach (string page in files.Where(file => file.EndsWith(".md", StringComparison.Ordinal)))
        {
            foreach (Match link in RelativeLink().Matches(new StreamReader(await OpenAsync(page)).ReadToEnd()))
            {
                string target = Path.GetRelativePath("/", Path.GetFullPath(link.Groups[1].Value, "/" + Path.GetDirectoryName(page)));
                if (!files.Contains(target) && !files.Contains($"{target}/README.md"))
                    dead.Add($"{page}: {link.Value}");
            }
        }

        Assert.Empty(dead);
    }

    /// <summary>A gallery shows the README alone.</summary>
    [Fact]
    public async Task Links_of_the_packed_readme_are_absolute_once_the_project_has_an_address()
    {
        string folder = Directory.CreateDirectory(Path.Combine(workspace.Folder, "address")).FullName + "/";
        string[] options = ["-p:PackageProjectUrl=https://emma.example/files/", $"-p:IntermediateOutputPath={folder}", "-nologo"];
        string project = Path.Combine(Workspace.RepositoryRoot, "src", "Emma.Generator");
        (await CommandLine.RunAsync(folder, "dotnet", ["msbuild", project, "-t:PackReadme", .. options])).MustSucceed();
        Finished notes = await CommandLine.RunAsync(folder, "dotnet", ["msbuild", project, "-getProperty:PackageReleaseNotes", .. options]);

        string readme = await File.ReadAllTextAsync(Path.Combine(folder, "README.md"), TestContext.Current.CancellationToken);
        string original = await File.ReadAllTextAsync(
            Path.Combine(Workspace.RepositoryRoot, "README.md"), TestContext.Current.CancellationToken);
        Assert.DoesNotMatch(RelativeLink(), readme);
        Assert.Contains("](https://emma.example/files/docs/performance.md", readme);
        Assert.Equal(original, readme.Replace("](https://emma.example/files/", "](", StringComparison.Ordinal));
        Assert.Equal("https://emma.example/files/CHANGELOG.md", notes.MustSucceed().Output.Trim());
    }

    [Fact]
    public async Task Package_says_what_it_is()
    {
        Assert.StartsWith("Emma for .NET", await ReadNuspecAsync("title"), StringComparison.Ordinal);
        Assert.Contains("the Emma for .NET authors", await ReadNuspecAsync("copyright"));
        Assert.Contains("CHANGELOG.md", await ReadNuspecAsync("releaseNotes"));
    }

    /// <summary>What is packed depends on the commit alone: not on the folder, nor on the time.</summary>
    [LongFact]
    public async Task Two_packs_from_folders_of_different_names_have_the_same_contents()
    {
        string elsewhere = Path.Combine(workspace.Folder, "elsewhere");
        Directory.CreateSymbolicLink(elsewhere, Workspace.RepositoryRoot);
        foreach (string name in new[] { "Emma.Generator", "Emma.Hosting" })
        {
            string first = name == "Emma.Generator" ? await workspace.Package : await workspace.GetHostingPackageAsync();
            string second = await workspace.PackAsync(elsewhere, name, Path.Combine(workspace.Folder, "again"));
            Assert.Equal(Contents(first), Contents(second));
        }
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

    /// <summary>Each entry's name and what is in it, in short.</summary>
    private static string[] Contents(string path)
    {
        using ZipArchive package = ZipFile.OpenRead(path);
        return
        [
            .. package.Entries.OrderBy(entry => entry.FullName, StringComparer.Ordinal).Select(entry =>
            {
                using Stream contents = entry.Open();
                return $"{entry.FullName} {Convert.ToHexString(SHA256.HashData(contents))}";
            }),
        ];
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

    // The file that a link names, without the place in it.
    [GeneratedRegex(@"\]\((?!#|[a-z]+:)([^)#]+)[^)]*\)")]
    private static partial Regex RelativeLink();
}
