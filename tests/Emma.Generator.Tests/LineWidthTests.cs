using Emma.Generator.Tests.Harness;

namespace Emma.Generator.Tests;

public class LineWidthTests
{
    private const int Columns = 140;
    private const int ColumnsOfProse = 160;

    /// <summary>Listings of machine code stand beside their bytes, and what a test records is as wide as the generator wrote it.</summary>
    [Theory]
    [InlineData("src")]
    [InlineData("tests")]
    [InlineData("benchmarks")]
    [InlineData("samples")]
    public void No_line_of_code_is_wider_than_the_editor_is_told(string folder)
    {
        IEnumerable<string> wide =
            from path in Directory.EnumerateFiles(Repository.Path(folder), "*.cs", SearchOption.AllDirectories)
            where !path.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj" or "FastPathCode.cs")
                && !path.EndsWith(".verified.cs", StringComparison.Ordinal)
            from line in File.ReadLines(path).Index()
            where line.Item.Length > Columns
            select $"{path}:{line.Index + 1}";

        Assert.Empty(wide);
    }

    /// <summary>Rows of tables and what stands between fences cannot be broken.</summary>
    [Fact]
    public void No_line_of_prose_is_wider_than_the_editor_is_told()
    {
        IEnumerable<string> pages =
        [
            .. Directory.EnumerateFiles(Repository.Path("."), "*.md"),
            .. Directory.EnumerateFiles(Repository.Path("docs"), "*.md", SearchOption.AllDirectories),
            Repository.Path("models", "README.md"),
        ];

        Assert.Empty(pages.SelectMany(WideLines));
    }

    private static IEnumerable<string> WideLines(string path)
    {
        bool isFenced = false;
        foreach ((int index, string line) in File.ReadLines(path).Index())
        {
            isFenced ^= line.StartsWith("```", StringComparison.Ordinal);
            if (!isFenced && line.Length > ColumnsOfProse && !line.StartsWith('|'))
                yield return $"{path}:{index + 1}";
        }
    }
}
