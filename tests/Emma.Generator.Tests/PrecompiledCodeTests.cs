using Emma.Generator.Tests.Harness;

namespace Emma.Generator.Tests;

public class PrecompiledCodeTests
{
    /// <summary>
    /// The attribute has a method compiled when the program runs although it was compiled ahead (ReadyToRun). What must be compiled with
    /// optimization at once for its long loop allocates a byte on its stack instead (LongLoop). The hardened heap's two are put into their
    /// callers, which a method that allocates is not.
    /// </summary>
    [Fact]
    public void No_method_keeps_code_out_that_was_compiled_ahead_but_two_of_the_hardened_heap()
    {
        string templates = Repository.Path("src/Emma.Templates");
        IEnumerable<string> files =
            from path in Directory.EnumerateFiles(templates, "*.cs", SearchOption.AllDirectories)
            where !path.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj")
            from line in File.ReadLines(path)
            where line.Contains("ClrMethodImplOptions.AggressiveOptimization", StringComparison.Ordinal)
            select Path.GetRelativePath(templates, path);

        Assert.Equal(["Slabs/Hardened/Canary.cs", "Slabs/Hardened/Canary.cs"], files);
    }
}
