using Emma.Generator.Diagnostics;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

public class DocumentationTests
{
    private static readonly DiagnosticDescriptor[] s_descriptors =
        [.. new AllocatorAnalyzer().SupportedDiagnostics, .. new BypassedAliasAnalyzer().SupportedDiagnostics];

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

        IEnumerable<string> pages = Directory.EnumerateFiles(Repository.Path("docs", "diagnostics"), "EMMA*.md").Select(path => Path.GetFileName(path)!);
        Assert.All(pages, page => Assert.Contains($"({page})", index, StringComparison.Ordinal));
    }
}
