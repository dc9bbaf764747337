using System.Text;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Tests;

/// <summary>
/// A heap compiles, with thread caches and without, doc comments included, beside user types and aliases of any name but those that begin
/// with Clr.
/// </summary>
public class HostileProjectTests
{
    private static readonly string[] s_names = [.. CapitalizedIdentifiers()];

    public static TheoryData<LanguageVersion> Languages => [.. TestProject.Languages];

    [Fact]
    public void The_languages_of_the_two_test_projects_are_CSharp_12_to_14_together()
    {
        bool knows14 = typeof(CSharpCompilation).Assembly.GetName().Version!.Major >= 5;
        string[] expected = Length.IsLong
            ? knows14 ? ["12.0", "13.0", "14.0"] : ["12.0", "13.0"]
            : knows14 ? ["14.0"] : ["12.0"];
        Assert.Equal(expected, TestProject.Languages.Select(language => language.ToDisplayString()));
    }

    [Fact]
    public void The_names_include_types_that_the_templates_use() =>
        Assert.All(
            ["Span", "Segment", "Interlocked", "Free", "ThreadCache", "LocalHeap", "ThreadStaticAttribute"],
            name => Assert.Contains(name, s_names));

    [Theory]
    [MemberData(nameof(Languages))]
    public void A_class_of_every_name_in_the_heaps_namespace_and_globally(LanguageVersion language) =>
        AssertCompiles(language, Classes("Audio.Voices") + Classes(""));

    [Theory]
    [MemberData(nameof(Languages))]
    public void A_global_alias_of_every_name(LanguageVersion language)
    {
        StringBuilder aliases = new();
        foreach (string name in s_names)
            aliases.Append($"global using {name} = global::Hostile.Nothing;\n");
        aliases.Append("namespace Hostile { class Nothing { } }\n");

        AssertCompiles(language, aliases.ToString());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public void A_global_alias_of_every_name_and_a_class_in_the_heaps_namespace(LanguageVersion language)
    {
        StringBuilder aliases = new();
        foreach (string name in s_names)
            aliases.Append($"global using {name} = global::Hostile.Nothing;\n");
        aliases.Append("namespace Hostile { class Nothing { } }\n").Append(Classes("Audio.Voices")).Append(Classes("Audio"));

        AssertCompiles(language, aliases.ToString());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public void A_static_member_of_every_name_imported_everywhere(LanguageVersion language)
    {
        StringBuilder source = new("global using static global::Hostile.Everything;\nnamespace Hostile { static class Everything {\n");
        foreach (string name in s_names)
            source.Append($"internal static object {name} => null!;\n");
        source.Append("} }\n");

        AssertCompiles(language, source.ToString());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public void An_imported_namespace_with_a_class_of_every_name(LanguageVersion language) =>
        AssertCompiles(language, "global using global::Hostile;\n" + Classes("Hostile"));

    private static void AssertCompiles(LanguageVersion language, string hostile) =>
        new TestProject(
            """
            [assembly: Emma.EmmaAllocator("MyHeap", BoundaryChecks = false, Public = true)]
            [assembly: Emma.EmmaAllocator("Audio.Voices.Mixer", BoundaryChecks = true)]
            [assembly: Emma.EmmaAllocator("MySmallHeap", ThreadCache = false, BoundaryChecks = true)]
            [assembly: Emma.EmmaAllocator("Audio.Voices.Sampler", ThreadCache = false, BoundaryChecks = false, Public = true)]
            """,
            hostile)
        {
            Language = language,
        }.Generate().AssertCompilesCleanly();

    /// <summary>A class of every name, in the global namespace where none is given.</summary>
    private static string Classes(string containingNamespace)
    {
        StringBuilder classes = new();
        foreach (string name in s_names)
            classes.Append($"class {name} {{ }}\n");
        return containingNamespace.Length == 0 ? classes.ToString() : $"namespace {containingNamespace}\n{{\n{classes}}}\n";
    }

    /// <summary>
    /// Every capitalized identifier of the templates and of the options file, in code and doc comments, but for the aliases, the heap's own
    /// name, and the roots of the base library, System and Microsoft: no C# compiles in a project that has types of these names.
    /// </summary>
    private static SortedSet<string> CapitalizedIdentifiers()
    {
        SortedSet<string> names = new(StringComparer.Ordinal);
        foreach (string text in Repository.Templates().Values
            .Append(File.ReadAllText(Repository.Path("src", "Emma.Templates", "Options.cs"))))
        {
            SyntaxNode root = CSharpSyntaxTree.ParseText(text, new CSharpParseOptions(documentationMode: DocumentationMode.Diagnose))
                .GetRoot();
            names.UnionWith(root.DescendantTokens(descendIntoTrivia: true)
                .Where(token => token.IsKind(SyntaxKind.IdentifierToken) && char.IsUpper(token.ValueText[0]))
                .Select(token => token.ValueText));
            names.ExceptWith(root.DescendantNodes().OfType<UsingDirectiveSyntax>().Select(alias => alias.Alias!.Name.Identifier.ValueText));
        }

        names.ExceptWith(["System", "Microsoft", "Emma", "EmmaHeap"]);
        // Members of every class.
        names.ExceptWith([nameof(ToString), nameof(GetType)]);
        // The usual name of a function that translates texts, which a discarding assignment would call upon
        names.Add("_");
        return names;
    }
}
