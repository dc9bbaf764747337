using System.Text.RegularExpressions;
using Emma.Consumers.Harness;

[assembly: AssemblyFixture(typeof(Workspace))]

namespace Emma.Consumers.Harness;

/// <summary>
/// A folder outside the repository, made once a run: the packed generator in a feed, and a copy of the consumer projects. What several
/// tests look at is built once, when the first of them asks for it.
/// </summary>
public sealed partial class Workspace : IDisposable
{
    // No MSBuild node outlives its build; the compiler does, as without it the builds take several times as long.
    private static readonly string[] s_buildOptions = ["-nodeReuse:false", "-p:UseSharedCompilation=true", "--tl:off", "-nologo"];

    private readonly Lazy<Task<string>> _package;
    private readonly Lazy<Task<Finished>> _together;

    // New in every run: a package of a version that was restored before is taken from the cache, changed or not.
    private readonly string _versionSuffix = $"consumers.{DateTime.UtcNow:yyyyMMddHHmmss}.{Environment.ProcessId}";

    public Workspace()
    {
        _package = new Lazy<Task<string>>(PackAsync);
        _together = new Lazy<Task<Finished>>(() => BuildAsync("Together.slnx"));
        Folder = Directory.CreateTempSubdirectory("emma-consumers-").FullName;
        CopyFolder(Path.Combine(AppContext.BaseDirectory, "Projects"), Folder);
        Directory.CreateDirectory(Path.Combine(Folder, "feed"));
    }

    public string Folder { get; }

    public static string RepositoryRoot { get; } = FindRepositoryRoot();

    /// <summary>The generator's nupkg's path.</summary>
    public Task<string> Package => _package.Value;

    /// <summary>The path of the nupkg for hosts, which is packed with the generator's.</summary>
    public async Task<string> GetHostingPackageAsync()
    {
        await Package;
        return Assert.Single(Directory.GetFiles(Path.Combine(Folder, "feed"), "Emma.Hosting.*.nupkg"));
    }

    public async Task<string> GetVersionAsync() => VersionInName().Match(Path.GetFileName(await Package)).Groups[1].Value;

    /// <summary>The outcome of the one build that makes all projects which need no special treatment.</summary>
    public Task<Finished> BuildTogetherAsync() => _together.Value;

    /// <summary>The assembly that a project of the common build was made into; fails unless it was made without a warning.</summary>
    public async Task<string> BuiltCleanAsync(string project, string framework = "net10.0", string runtime = "")
    {
        Finished build = await BuildTogetherAsync();
        string[] complaints = build.Output.Split('\n').Where(line => Complaint().IsMatch(line) && line.Contains($"{project}.")).ToArray();
        Assert.True(complaints.Length == 0, string.Join('\n', complaints));

        string assembly = Path.Combine(Folder, project, "bin", "Debug", framework, runtime, $"{project}.dll");
        Assert.True(File.Exists(assembly), $"{assembly} was not built.\n{build}");
        return assembly;
    }

    public Task<Finished> BuildAsync(string path, params string[] options) => DotnetAsync("build", [path, .. options]);

    public Task<Finished> PublishAsync(string project) => DotnetAsync("publish", [project, "-o", Path.Combine(project, "published")]);

    /// <summary>Runs the SDK in the workspace, once the package is there.</summary>
    public async Task<Finished> DotnetAsync(string verb, params string[] arguments)
    {
        string[] options = verb is "build" or "publish" ? s_buildOptions : [];
        return await CommandLine.RunAsync(Folder, "dotnet", [verb, .. arguments, .. options], ("EmmaVersion", await GetVersionAsync()));
    }

    /// <summary>Runs a script of tests/Everywhere, which makes what programs for another platform need.</summary>
    public async Task RunScriptAsync(string name, params string[] arguments)
    {
        string script = Path.Combine(RepositoryRoot, "tests", "Everywhere", name);
        (await CommandLine.RunAsync(Folder, "bash", [script, .. arguments])).MustSucceed();
    }

    /// <summary>A copy of what a folder of the repository has, but for what was built there and some files.</summary>
    /// <returns>Its path.</returns>
    public string CopyFromRepository(string path, string[] without)
    {
        string from = Path.Combine(RepositoryRoot, path);
        string to = Path.Combine(Folder, Path.GetFileName(path));
        CopyFolder(from, to, file => !file.Split('/').Any(part => part is "bin" or "obj" or "feed" || without.Contains(part)));
        return to;
    }

    /// <summary>Packs a project of the repository, seen from a folder, with the version of this run.</summary>
    /// <returns>The path of the package.</returns>
    public async Task<string> PackAsync(string repository, string project, string folder)
    {
        Finished pack = await CommandLine.RunAsync(repository, "dotnet",
            ["pack", Path.Combine("src", project), "-o", folder, "--artifacts-path", $"{folder}.obj",
            "--version-suffix", _versionSuffix, .. s_buildOptions]);
        pack.MustSucceed();
        return Assert.Single(Directory.GetFiles(folder, $"{project}.*.nupkg"));
    }

    public void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        string packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        foreach (string extracted in new[] { Path.Combine(packages, "emma.generator"), Path.Combine(packages, "emma.hosting") })
        {
            foreach (string version in Directory.Exists(extracted) ? Directory.GetDirectories(extracted, $"*{_versionSuffix}") : [])
                Directory.Delete(version, recursive: true);
        }
    }

    private async Task<string> PackAsync()
    {
        string feed = Path.Combine(Folder, "feed");
        await PackAsync(RepositoryRoot, "Emma.Hosting", feed);
        return await PackAsync(RepositoryRoot, "Emma.Generator", feed);
    }

    private static string FindRepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Emma.Generator.sln")))
            folder = Path.GetDirectoryName(folder);

        return folder ?? throw new InvalidOperationException("The tests run from the repository they were built in.");
    }

    private static void CopyFolder(string from, string to, Func<string, bool>? isWanted = null)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            if (isWanted?.Invoke(Path.GetRelativePath(from, file)) == false)
                continue;

            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    [GeneratedRegex(@"^Emma\.Generator\.(.+)\.nupkg$")]
    private static partial Regex VersionInName();

    [GeneratedRegex(@"\b(warning|error)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Complaint();
}
