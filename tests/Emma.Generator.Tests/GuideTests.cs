using System.Net;
using System.Text.RegularExpressions;
using Basic.Reference.Assemblies;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

/// <summary>
/// The programs of docs/guide, taken from the pages: each compiles without a warning, runs, and prints what the page says.
/// </summary>
public partial class GuideTests
{
    /// <summary>What a console project of the SDK imports.</summary>
    private const string ImplicitUsings =
        """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    public static TheoryData<string, int> Programs
    {
        get
        {
            TheoryData<string, int> programs = [];
            foreach (string path in Directory.EnumerateFiles(Repository.Path("docs", "guide"), "*.md").Order(StringComparer.Ordinal))
            {
                for (int i = 0; i < ProgramsOf(path).Length; i++)
                    programs.Add(Path.GetFileName(path), i);
            }

            return programs;
        }
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public void A_program_of_a_page_compiles_cleanly_and_prints_what_the_page_says(string page, int number)
    {
        (string code, string output) = ProgramsOf(Repository.Path("docs", "guide", page))[number];
        TestProject project = new(code, ImplicitUsings) { AssemblyName = "Program", References = [.. Net100.References.All] };
        project = project with { Options = project.Options.WithOutputKind(OutputKind.ConsoleApplication) };

        Assert.Equal(output, ProgramRun.OutputOf(project.Generate().Emit()));
    }

    /// <summary>The examples that an editor shows beside members of a heap.</summary>
    [Theory]
    [InlineData("")]
    [InlineData(", ThreadCache = false")]
    public void The_examples_of_the_members_comments_compile_cleanly_and_run(string form)
    {
        string[] examples = [.. ExamplesOf(form.Length == 0)];
        string code = $$"""
            [assembly: Emma.EmmaAllocator("MyHeap"{{form}})]
            unsafe
            {
                {{string.Concat(examples.Select(example => $"{{\n{example}}}\n"))}}
            }
            Console.WriteLine(MyHeap.GetStatistics().LiveBlocks);
            """;
        TestProject project = new(code, ImplicitUsings) { AssemblyName = "Program", References = [.. Net100.References.All] };
        project = project with { Options = project.Options.WithOutputKind(OutputKind.ConsoleApplication) };

        Assert.True(examples.Length >= 7);
        Assert.Equal("0\n", ProgramRun.OutputOf(project.Generate().Emit()));
    }

    private static IEnumerable<string> ExamplesOf(bool threadCache) =>
        from template in Repository.TemplatesOf(threadCache).Values
        from Match example in Example().Matches(template)
        select WebUtility.HtmlDecode(example.Groups[1].Value.Replace("///", "", StringComparison.Ordinal));

    /// <summary>Each program that makes a heap, with the block of text that follows it.</summary>
    private static (string Code, string Output)[] ProgramsOf(string path) =>
    [
        .. Program().Matches(File.ReadAllText(path)).Select(match => (match.Groups[1].Value, match.Groups[2].Value))
            .Where(program => program.Item1.Contains("[assembly: EmmaAllocator", StringComparison.Ordinal)),
    ];

    [GeneratedRegex("```csharp\n((?:(?!```).)*)```\n\n```text\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Program();

    [GeneratedRegex("/// <code>\n((?: *///.*\n)*?) */// </code>")]
    private static partial Regex Example();
}
