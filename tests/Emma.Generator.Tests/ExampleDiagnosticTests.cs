using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Emma.Generator.Diagnostics;
using Emma.Generator.Misuse;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Tests;

/// <summary>
/// The examples of docs/diagnostics: the lines that a page marks are reported as it says, and no others. Those that hang on the project
/// file are in ProjectDiagnosticTests.
/// </summary>
public partial class ExampleDiagnosticTests
{
    private const string Request = "[assembly: Emma.EmmaAllocator(\"MyHeap\")]";

    [Theory]
    [InlineData("EMMA0002")]
    [InlineData("EMMA0003")]
    [InlineData("EMMA0004")]
    [InlineData("EMMA0005")]
    [InlineData("EMMA0009")]
    [InlineData("EMMA0010")]
    [InlineData("EMMA0011")]
    public async Task Attributes_are_reported_as_the_page_says(string id) => await MatchesAsync($"using Emma;\n{ExampleOf(id)}");

    [Fact]
    public async Task A_call_that_bypasses_the_alias_is_reported_as_the_page_says()
    {
        const string alias = "global using NativeMemory = MyHeap;\n";
        await MatchesAsync(ExampleOf("EMMA1001").Replace(alias, alias + Request, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("EMMA1002")]
    [InlineData("EMMA1003")]
    [InlineData("EMMA1004")]
    [InlineData("EMMA1005")]
    [InlineData("EMMA1006")]
    [InlineData("EMMA1007")]
    [InlineData("EMMA1008")]
    public async Task Misuse_is_reported_as_the_page_says(string id)
    {
        string example = ExampleOf(id);
        string block = example.Contains("void* block =", StringComparison.Ordinal) ? "" : "void* block, ";
        string member = example.StartsWith("static ", StringComparison.Ordinal)
            ? example
            : $"static void M({block}Node* node, int count)\n{{\n{example}}}\n";
        await MatchesAsync(
            $"using System;\nusing System.Runtime.InteropServices;\n{Request}\nunsafe struct Node {{ public Node* Next; }}\n" +
            $"static unsafe class C\n{{\n{member}}}\n");
    }

    /// <summary>The attributes of an assembly or a type are code as well, with all that stands beneath them.</summary>
    [Fact]
    public async Task A_block_that_is_dropped_beneath_attributes_is_reported_once() => await MatchesAsync(
        $$"""
        {{Request}}
        [System.Obsolete("a")]
        static unsafe class C
        {
            [System.Obsolete("b")]
            static void M() => N(MyHeap.Alloc(8));

            [System.Obsolete("c")]
            static void N(void* block)
            {
                MyHeap.Realloc(block, 8); // EMMA1002
            }
        }
        """);

    private static string ExampleOf(string id)
    {
        string page = File.ReadAllText(Repository.Path("docs", "diagnostics", $"{id}.md"));
        return Example().Match(page).Groups[1].Value;
    }

    private static async Task MatchesAsync(string source)
    {
        GeneratorOutput output = new TestProject(source).Generate();
        SyntaxTree file = output.Compilation.SyntaxTrees.Single(tree => tree.FilePath == "Source0.cs");
        ImmutableArray<Diagnostic> found = await output.Compilation
            .WithAnalyzers([new AllocatorAnalyzer(), new BypassedAliasAnalyzer(), new MisuseAnalyzer()], new AnalyzerOptions([]))
            .GetAnalyzerDiagnosticsAsync();
        Dictionary<int, Diagnostic> reported = found
            .Where(diagnostic => diagnostic.Location.SourceTree == file)
            .ToDictionary(diagnostic => diagnostic.Location.GetLineSpan().StartLinePosition.Line);
        string[] lines = source.Split('\n');
        for (int line = 0; line < lines.Length; line++)
        {
            Match mark = Mark().Match(lines[line]);
            Assert.Equal(mark.Success ? mark.Groups[1].Value : null, reported.GetValueOrDefault(line)?.Id);
            // A figure in the page is that of the message.
            foreach (Match figure in Figure().Matches(mark.Groups[2].Value))
                Assert.Contains(figure.Value, reported[line].GetMessage(), StringComparison.Ordinal);
        }

        Assert.NotEmpty(reported);
    }

    [GeneratedRegex(@"\*\*Example\*\*\n\n```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();

    [GeneratedRegex("// (EMMA[0-9]{4})(.*)")]
    private static partial Regex Mark();

    [GeneratedRegex("[0-9]{4,}")]
    private static partial Regex Figure();
}
