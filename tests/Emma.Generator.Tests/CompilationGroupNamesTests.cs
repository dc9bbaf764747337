using System.Text.RegularExpressions;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

/// <summary>
/// The lists of methods that are compiled together: that none is missing, the templates' own tests say (<c>CompilationGroupTests</c>).
/// </summary>
public partial class CompilationGroupNamesTests
{
    [Fact]
    public void Each_name_is_that_of_a_method_in_some_form_of_a_heap()
    {
        HashSet<string> declared = [];
        foreach (string form in new[] { "", ", ThreadCache = false", ", BoundaryChecks = true", ", Hardened = true" })
        {
            INamedTypeSymbol heap = new TestProject($"[assembly: Emma.EmmaAllocator(\"MyHeap\"{form})]")
                .Generate().Compilation.GetTypeByMetadataName("MyHeap")!;
            INamedTypeSymbol internals = Assert.Single(heap.GetTypeMembers("HeapInternals"));
            foreach (INamedTypeSymbol type in internals.GetTypeMembers().Prepend(internals))
                declared.UnionWith(type.GetMembers().OfType<IMethodSymbol>().Select(method => $"{type.Name} {method.Name}"));
        }

        Assert.Empty(Listed().Except(declared));
    }

    [Fact]
    public void No_name_stands_in_a_group_twice()
    {
        Assert.All(Groups(), group => Assert.Distinct(NamesIn(group)));
        Assert.Equal(5, Groups().Count);
    }

    private static IEnumerable<string> Listed() => Groups().SelectMany(NamesIn);

    // The text of each group, as the compiler puts it together.
    private static List<string> Groups() =>
    [
        .. Group().Matches(Repository.Templates()["Kernel/CompilationGroups.cs"])
            .Select(group => string.Concat(Literal().Matches(group.Value).Select(literal => literal.Groups[1].Value))),
    ];

    private static IEnumerable<string> NamesIn(string group) => group
        .Split("\\n")
        .Select(line => line.Split(' '))
        .SelectMany(names => names.Skip(1).Select(name => $"{names[0].TrimStart('+', '~')} {name.TrimStart('-')}"));

    [GeneratedRegex("private const string .*?;", RegexOptions.Singleline)]
    private static partial Regex Group();

    [GeneratedRegex("\"(.*?)\"")]
    private static partial Regex Literal();
}
