using Emma.Generator.Tests.Harness;

namespace Emma.Generator.Tests;

public class LineWidthTests
{
    private const int Columns = 140;

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
}
