using Emma.Generator.Emission;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Tests;

public class EmittedFilesTests
{
    private const string NamespaceLine = "namespace Emma.Templates;";
    private const string ClassLine = "static unsafe partial class EmmaHeap";

    [Fact]
    public void Without_the_attribute_the_marker_is_all_that_is_emitted()
    {
        GeneratorOutput output = new TestProject("class C { }").Generate();

        Assert.Equal(
            ["EmmaAllocatorAttribute.g.cs", "Microsoft.CodeAnalysis.EmbeddedAttribute.cs"],
            output.HintNames.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Each_template_of_the_form_is_a_file_of_its_own_under_the_full_name_of_the_heap(bool threadCache)
    {
        GeneratorOutput output = Emit("Audio.Memory.Mixer", threadCache);

        string[] templates = [.. Repository.TemplatesOf(threadCache).Keys.Append("Options.cs")];
        Assert.Equal(
            templates.Select(path => $"Audio.Memory.Mixer/{Path.ChangeExtension(path, ".g.cs")}").Order(StringComparer.Ordinal),
            output.HeapHintNames.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_template_is_emitted_as_it_stands_but_for_its_namespace_line_and_the_name_of_its_class(bool threadCache)
    {
        GeneratorOutput output = Emit("Audio.Mixer", threadCache);

        foreach ((string path, string text) in Repository.TemplatesOf(threadCache))
        {
            string expected = text.Replace("Emma.Templates", "Audio", StringComparison.Ordinal)
                .Replace("EmmaHeap", "Mixer", StringComparison.Ordinal);
            Assert.Equal(
                HeaderOf(output["Audio.Mixer/Options.g.cs"]) + expected,
                output[$"Audio.Mixer/{Path.ChangeExtension(path, ".g.cs")}"]);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_undotted_heap_stands_in_the_global_namespace(bool threadCache)
    {
        GeneratorOutput output = Emit("MyHeap", threadCache);

        foreach ((string path, string text) in Repository.TemplatesOf(threadCache))
        {
            string expected = text.Replace(NamespaceLine, "", StringComparison.Ordinal)
                .Replace("EmmaHeap", "MyHeap", StringComparison.Ordinal);
            Assert.Equal(HeaderOf(output["MyHeap/Options.g.cs"]) + expected, output[$"MyHeap/{Path.ChangeExtension(path, ".g.cs")}"]);
        }
    }

    [Fact]
    public void The_placeholders_occur_in_a_template_only_where_they_are_replaced()
    {
        foreach ((string path, string text) in Repository.Templates())
        {
            string rest = CutOnce(CutOnce(text, NamespaceLine, path), ClassLine, path);
            Assert.False(rest.Contains("Emma.Templates", StringComparison.Ordinal), $"{path} names the templates' namespace.");
            Assert.False(rest.Contains("EmmaHeap", StringComparison.Ordinal), $"{path} names the templates' class.");
        }
    }

    [Fact]
    public void A_template_has_no_using_but_aliases_that_begin_with_Clr_under_its_namespace_line()
    {
        foreach ((string path, string text) in Repository.Templates())
        {
            CompilationUnitSyntax root = CSharpSyntaxTree.ParseText(text).GetCompilationUnitRoot();
            Assert.True(root.Usings.Count == 0, $"{path} has a using above its namespace line.");
            foreach (UsingDirectiveSyntax directive in root.DescendantNodes().OfType<UsingDirectiveSyntax>())
            {
                Assert.True(
                    directive.Alias?.Name.Identifier.ValueText.StartsWith("Clr", StringComparison.Ordinal) == true
                        && directive.NamespaceOrType.ToString().StartsWith("global::", StringComparison.Ordinal),
                    $"{path} has '{directive}'.");
            }
        }
    }

    /// <summary>A type or a function named _ would be meant instead; a typed one (out int _) is a discard in any case.</summary>
    [Fact]
    public void A_template_has_no_untyped_discard() =>
        Assert.Empty(
            from template in Repository.Templates()
            from name in CSharpSyntaxTree.ParseText(template.Value).GetRoot().DescendantNodes().OfType<IdentifierNameSyntax>()
            where name.Identifier.ValueText == "_"
            select $"{template.Key}({name.GetLocation().GetLineSpan().StartLinePosition.Line + 1}): {name.Parent}");

    [Fact]
    public void The_header_says_that_the_file_is_generated_and_enables_nullable_annotations() =>
        Snapshot.Matches(HeaderOf(new TestProject("""[assembly: Emma.EmmaAllocator("MyHeap")]""").Generate()["MyHeap/Options.g.cs"]));

    [Fact]
    public void The_marker_attribute_documents_every_option() =>
        Snapshot.Matches(WithoutVersion(new TestProject("").Generate()["EmmaAllocatorAttribute.g.cs"]));

    [Fact]
    public void The_options_file_of_an_undotted_heap_without_options_in_a_release_build() =>
        Snapshot.Matches(OptionsOf("""[assembly: Emma.EmmaAllocator("MyHeap")]""", "MyHeap", OptimizationLevel.Release));

    [Theory]
    [InlineData(OptimizationLevel.Debug, "", true, true)]
    [InlineData(OptimizationLevel.Debug, ", BoundaryChecks = true", true, false)]
    [InlineData(OptimizationLevel.Debug, ", BoundaryChecks = false", false, false)]
    [InlineData(OptimizationLevel.Debug, ", Hardened = true", true, false)]
    [InlineData(OptimizationLevel.Debug, ", Hardened = false", true, true)]
    [InlineData(OptimizationLevel.Release, "", false, false)]
    [InlineData(OptimizationLevel.Release, ", BoundaryChecks = true", true, false)]
    [InlineData(OptimizationLevel.Release, ", BoundaryChecks = false", false, false)]
    public void Checks_are_on_by_default_in_a_debug_build_and_the_options_file_says_so(
        OptimizationLevel optimization, string option, bool checks, bool defaulted)
    {
        string options = OptionsOf($"""[assembly: Emma.EmmaAllocator("MyHeap"{option})]""", "MyHeap", optimization);

        Assert.Contains($"ChecksBoundaries = {(checks ? "true" : "false")};", options, StringComparison.Ordinal);
        Assert.Contains($"ChecksAreDefaulted = {(defaulted ? "true" : "false")};", options, StringComparison.Ordinal);
    }

    [Fact]
    public void The_options_file_of_a_dotted_heap_with_every_option() =>
        Snapshot.Matches(OptionsOf(
            """
            [assembly: Emma.EmmaAllocator(
                "Audio.Memory.Mixer", BoundaryChecks = true, Hardened = true, MemoryLimit = 1L << 40, Public = true, ThreadCache = false)]
            """,
            "Audio.Memory.Mixer"));

    [Fact]
    public void The_options_file_declares_what_the_one_of_the_templates_does()
    {
        string template = File.ReadAllText(Repository.Path("src", "Emma.Templates", "Options.cs"));
        string emitted = OptionsOf("""[assembly: Emma.EmmaAllocator("Audio.Mixer")]""", "Audio.Mixer");

        Assert.Equal(Declarations(template), Declarations(emitted));
    }

    [Fact]
    public void The_version_in_the_emitted_text_is_the_assembly_version_which_carries_no_commit() =>
        Assert.Contains(
            $"""("Emma.Generator", "{typeof(EmmaGenerator).Assembly.GetName().Version}")""",
            new TestProject("""[assembly: Emma.EmmaAllocator("MyHeap")]""").Generate()["MyHeap/Options.g.cs"],
            StringComparison.Ordinal);

    private static GeneratorOutput Emit(string heap, bool threadCache) =>
        new TestProject($"""[assembly: Emma.EmmaAllocator("{heap}", ThreadCache = {(threadCache ? "true" : "false")})]""").Generate();

    private static string HeaderOf(string emitted) =>
        emitted[..(emitted.IndexOf("#nullable enable\n", StringComparison.Ordinal) + "#nullable enable\n\n".Length)];

    private static string OptionsOf(string source, string heap, OptimizationLevel optimization = OptimizationLevel.Debug)
    {
        TestProject project = new(source);
        project = project with { Options = project.Options.WithOptimizationLevel(optimization) };
        return WithoutVersion(project.Generate()[$"{heap}/Options.g.cs"]);
    }

    private static string WithoutVersion(string text) =>
        text.Replace(HeapEmitter.ToolVersion, "{version}", StringComparison.Ordinal);

    private static string CutOnce(string text, string line, string path)
    {
        string[] parts = text.Split(line);
        Assert.True(parts.Length == 2, $"{path} has {parts.Length - 1} times '{line}'.");
        return parts[0] + parts[1];
    }

    /// <summary>The members with their types and modifiers, and the attributes of the class, without values.</summary>
    private static string[] Declarations(string text)
    {
        ClassDeclarationSyntax heap = CSharpSyntaxTree.ParseText(text).GetRoot().DescendantNodes().OfType<ClassDeclarationSyntax>().First();
        return
        [
            .. heap.AttributeLists.SelectMany(list => list.Attributes).Select(attribute => attribute.Name.ToString()),
            heap.Modifiers.ToString(),
            .. heap.Members.Cast<ClassDeclarationSyntax>().Single().Members.Cast<FieldDeclarationSyntax>().Select(field =>
                $"{field.Modifiers} {field.Declaration.Type} {field.Declaration.Variables.Single().Identifier}"),
        ];
    }
}
