using System.Text.RegularExpressions;
using Emma.Generator.Diagnostics;
using Emma.Generator.Migration;
using Emma.Generator.Misuse;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

public partial class DocumentationTests
{
    private static readonly DiagnosticDescriptor[] s_descriptors =
    [
        .. new AllocatorAnalyzer().SupportedDiagnostics,
        .. new BypassedAliasAnalyzer().SupportedDiagnostics,
        .. new MisuseAnalyzer().SupportedDiagnostics,
        .. new MigrationAnalyzer().SupportedDiagnostics,
    ];

    public static TheoryData<string> Ids => [.. s_descriptors.Select(descriptor => descriptor.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Each_diagnostic_has_a_page_with_its_title_a_cause_an_example_and_a_fix(string id)
    {
        DiagnosticDescriptor descriptor = s_descriptors.Single(descriptor => descriptor.Id == id);
        string page = File.ReadAllText(Repository.Path("docs", "diagnostics", $"{id}.md"));

        Assert.StartsWith($"# {id}: {descriptor.Title}\n", page, StringComparison.Ordinal);
        Assert.All(["**Cause.**", "**Example**", "**Fix.**"], part => Assert.Contains(part, page, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Ids))]
    public void Each_diagnostic_has_a_help_link_to_its_page_under_the_projects_address(string id)
    {
        DiagnosticDescriptor descriptor = s_descriptors.Single(descriptor => descriptor.Id == id);

        string address = DiagnosticDescriptors.ProjectUrl.Length == 0 ? "" : DiagnosticDescriptors.ProjectUrl.TrimEnd('/') + "/";
        Assert.Equal($"{address}docs/diagnostics/{id}.md", descriptor.HelpLinkUri);
        Assert.Equal("Emma", descriptor.Category);
        Assert.True(descriptor.IsEnabledByDefault);
    }

    [Fact]
    public void The_index_lists_every_page()
    {
        string index = File.ReadAllText(Repository.Path("docs", "diagnostics", "README.md"));

        IEnumerable<string> pages = Directory.EnumerateFiles(Repository.Path("docs", "diagnostics"), "EMMA*.md")
            .Select(path => Path.GetFileName(path)!);
        Assert.All(pages, page => Assert.Contains($"({page})", index, StringComparison.Ordinal));
    }

    /// <summary>Each promise is held by a test that everybody runs, not by the long form alone.</summary>
    [Theory]
    [InlineData("reliability.md")]
    [InlineData("security.md")]
    public void Each_row_of_a_table_of_promises_names_tests_that_run_in_the_fast_form(string page)
    {
        Dictionary<string, string> classes = TestClasses();
        string[] rows =
        [
            .. File.ReadAllLines(Repository.Path("docs", page))
                .SkipWhile(line => !line.StartsWith('|')).Skip(2).TakeWhile(line => line.StartsWith('|')),
        ];

        Assert.True(rows.Length >= 8);
        Assert.All(rows, row =>
        {
            string[] named = [.. TestName().Matches(row).Select(match => match.Groups[1].Value)];
            Assert.NotEmpty(named);
            Assert.All(named, name => Assert.Matches(@"\[(Fact|Theory)\b|: \w*ModelTests\(", classes[name]));
        });
    }

    public static TheoryData<string> Pages =>
    [
        .. new[] { "docs", "samples", "models", ".github" }
            .SelectMany(folder => Directory.EnumerateFiles(Repository.Path(folder), "*.md", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Repository.Path(), "*.md"))
            .Select(path => Path.GetRelativePath(Repository.Path(), path)).Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Each_link_of_a_page_leads_to_a_file_and_to_a_heading_of_it(string page)
    {
        string path = Repository.Path(page);
        List<string> dead = [];
        foreach (Match link in RelativeLink().Matches(File.ReadAllText(path)))
        {
            string file = link.Groups[1].Length == 0 ? path : Path.GetFullPath(link.Groups[1].Value, Path.GetDirectoryName(path)!);
            string heading = link.Groups[2].Value;
            if (!(heading.Length == 0 ? Path.Exists(file) : File.Exists(file) && Anchors(file).Contains(heading)))
                dead.Add(link.Value);
        }

        Assert.Empty(dead);
    }

    /// <summary>The headings of a page as hosts of repositories name them in addresses.</summary>
    private static IEnumerable<string> Anchors(string path) =>
        Heading().Matches(File.ReadAllText(path)).Select(heading => string.Concat(
            heading.Groups[1].Value.ToLowerInvariant().Where(letter => char.IsLetterOrDigit(letter) || letter is ' ' or '-' or '_')
                .Select(letter => letter == ' ' ? '-' : letter)));

    /// <summary>The text of each test class from its declaration on; those of one name in several projects together.</summary>
    private static Dictionary<string, string> TestClasses()
    {
        Dictionary<string, string> classes = new(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(Repository.Path("tests"), "*.cs", SearchOption.AllDirectories))
        {
            string text = File.ReadAllText(file);
            foreach (Match declaration in TestClass().Matches(text))
            {
                string name = declaration.Groups[1].Value;
                classes[name] = classes.GetValueOrDefault(name) + text[declaration.Index..];
            }
        }

        return classes;
    }

    [GeneratedRegex(@"`(\w+Tests)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"class (\w+Tests)\b")]
    private static partial Regex TestClass();

    [GeneratedRegex(@"\]\((?![a-z]+:)([^)#]*)#?([^)]*)\)")]
    private static partial Regex RelativeLink();

    [GeneratedRegex("^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();
}
