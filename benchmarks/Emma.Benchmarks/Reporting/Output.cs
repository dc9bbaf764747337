namespace Emma.Benchmarks.Reporting;

// The files that a run leaves behind.
internal static class Output
{
    private const string Solution = "Emma.Generator.sln";

    // Writes the Markdown below the repository's artifacts, and the drawings into docs/images; those of a run that does not measure
    // everything in full stay beside the Markdown.
    internal static void Write(Settings settings, List<ResultTable> tables)
    {
        string root = FindRepository();
        string directory = Path.Combine(root, "artifacts", "benchmarks");
        bool isPartial = settings.Quick || settings.Filter.Length > 0;
        string images = isPartial ? Path.Combine(directory, "images") : Path.Combine(root, "docs", "images");
        Directory.CreateDirectory(directory);

        string markdown = Path.Combine(directory, settings.Mode + ".md");
        MarkdownReport.Write(markdown, settings, tables);
        foreach (ResultTable table in tables)
            Plots.Write(images, table);

        Console.WriteLine($"Written: {Path.GetRelativePath(root, markdown)}, drawings in {Path.GetRelativePath(root, images)}");
    }

    // The directory of the solution above this program; without one, where it was started.
    private static string FindRepository()
    {
        for (string? directory = AppContext.BaseDirectory; directory is not null; directory = Path.GetDirectoryName(directory))
        {
            if (File.Exists(Path.Combine(directory, Solution)))
                return directory;
        }

        return Environment.CurrentDirectory;
    }
}
