namespace Emma.Generator.Tests.Harness;

/// <summary>The files of the repository that the tests run in.</summary>
internal static class Repository
{
    private static readonly Lazy<string> s_root = new(static () =>
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(System.IO.Path.Combine(directory.FullName, "Emma.Generator.sln")))
            directory = directory.Parent;
        return directory?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    });

    public static string Path(params string[] parts) => System.IO.Path.Combine([s_root.Value, .. parts]);

    /// <summary>The template files that are embedded: their path below the templates' project, with slashes, and their text.</summary>
    public static SortedDictionary<string, string> Templates()
    {
        string root = Path("src", "Emma.Templates");
        SortedDictionary<string, string> templates = new(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories))
        {
            string path = System.IO.Path.GetRelativePath(root, file).Replace('\\', '/');
            if (!path.StartsWith("obj/", StringComparison.Ordinal) && !path.StartsWith("bin/", StringComparison.Ordinal)
                && path != "Options.cs")
                templates.Add(path, File.ReadAllText(file));
        }

        return templates;
    }

    /// <summary>Those of them that are a plain heap with thread caches, or without.</summary>
    public static SortedDictionary<string, string> TemplatesOf(bool threadCache)
    {
        SortedDictionary<string, string> templates = Templates();
        string other = threadCache ? "Locked" : "Cached";
        string[] others =
        [
            .. templates.Keys.Where(path => path.Split('/') is [_, string form, _] && (form == other || form == "Hardened")),
        ];
        foreach (string path in others)
            templates.Remove(path);
        return templates;
    }
}
