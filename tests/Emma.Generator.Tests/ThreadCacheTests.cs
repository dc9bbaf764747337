using System.Collections.Immutable;
using System.Xml.Linq;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

/// <summary>The option chooses between two forms of the heap that look alike from outside.</summary>
public class ThreadCacheTests
{
    private static readonly GeneratorOutput s_cached = Emit("true");
    private static readonly GeneratorOutput s_locked = Emit("false");

    [Fact]
    public void A_heap_has_thread_caches_unless_it_says_otherwise()
    {
        GeneratorOutput unsaid = new TestProject("""[assembly: Emma.EmmaAllocator("MyHeap", Public = true)]""").Generate();

        Assert.Equal(Texts(s_cached), Texts(unsaid));
    }

    [Fact]
    public void Without_ThreadCache_every_file_of_the_cached_form_is_left_out_and_those_of_the_locked_form_take_its_place()
    {
        Assert.Equal(FormIn("Cached"), FilesOf(s_cached, "Cached"));
        Assert.Empty(FilesOf(s_cached, "Locked"));
        Assert.Equal(FormIn("Locked"), FilesOf(s_locked, "Locked"));
        Assert.Empty(FilesOf(s_locked, "Cached"));
    }

    [Fact]
    public void All_other_files_are_the_same_in_both_forms_but_for_the_options() =>
        Assert.Equal(
            Texts(s_cached).Where(file => !IsOfForm(file.Key, "Cached") && !file.Key.EndsWith("/Options.g.cs", StringComparison.Ordinal)),
            Texts(s_locked).Where(file => !IsOfForm(file.Key, "Locked") && !file.Key.EndsWith("/Options.g.cs", StringComparison.Ordinal)));

    [Fact]
    public void Both_forms_have_exactly_the_same_public_members()
    {
        string[] cached = [.. PublicSurface.Of(s_cached).Select(PublicSurface.Declaration)];

        Assert.Contains("public static MyHeap.LocalHeap MyHeap.Local { get; }", cached);
        Assert.Contains("readonly ref struct MyHeap.LocalHeap", cached);
        Assert.Contains("public T* MyHeap.LocalHeap.Alloc<T>([nuint count = 1]) where T : unmanaged", cached);
        Assert.Equal(cached, PublicSurface.Of(s_locked).Select(PublicSurface.Declaration));
    }

    [Fact]
    public void Every_public_member_is_documented_in_both_forms_down_to_its_parameters()
    {
        foreach (ISymbol member in PublicSurface.Of(s_cached).Concat(PublicSurface.Of(s_locked)))
        {
            XElement documentation = XElement.Parse(member.GetDocumentationCommentXml() is { Length: > 0 } xml ? xml : "<member />");
            Assert.True(documentation.Element("summary")?.Value.Trim().Length > 0, $"{PublicSurface.Declaration(member)} has no summary.");
            if (member is not IMethodSymbol method)
                continue;

            Assert.Equal(method.Parameters.Select(parameter => parameter.Name), NamesOf(documentation, "param"));
            Assert.Equal(method.TypeParameters.Select(parameter => parameter.Name), NamesOf(documentation, "typeparam"));
            Assert.True(
                method.ReturnsVoid || method.Parameters.IsEmpty || documentation.Element("returns") is not null,
                $"{PublicSurface.Declaration(member)} does not say what it returns.");
        }
    }

    [Fact]
    public void A_member_of_LocalHeap_is_documented_alike_in_both_forms() =>
        Assert.Equal(
            PublicSurface.Of(s_cached).Where(IsOfLocalHeap).Select(member => member.GetDocumentationCommentXml()),
            PublicSurface.Of(s_locked).Where(IsOfLocalHeap).Select(member => member.GetDocumentationCommentXml()));

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public void The_compiler_keeps_a_LocalHeap_on_its_thread(string threadCache)
    {
        string[] offences =
        [
            "class C { MyHeap.LocalHeap _field; }",
            "class C { static MyHeap.LocalHeap s_field; }",
            "class C { object M() => (object)MyHeap.Local; }",
            "class C { unsafe System.Action M() { var local = MyHeap.Local; return () => local.Free(null); } }",
            "class C { unsafe async System.Threading.Tasks.Task M() { var local = MyHeap.Local; await M(); local.Free(null); } }",
            "class C { System.Collections.Generic.List<MyHeap.LocalHeap> M() => null!; }",
        ];

        string heap = $"""[assembly: Emma.EmmaAllocator("MyHeap", ThreadCache = {threadCache})]""";
        Assert.All(offences, offence => Assert.Contains(
            DiagnosticsIn("Source1.cs", new TestProject(heap, offence).Generate().Compilation),
            diagnostic => diagnostic.Severity == DiagnosticSeverity.Error));
    }

    private static ImmutableArray<Diagnostic> DiagnosticsIn(string file, CSharpCompilation compilation) =>
        compilation.GetSemanticModel(compilation.SyntaxTrees.Single(tree => tree.FilePath == file)).GetDiagnostics();

    [Fact]
    public void The_emitted_text_depends_on_the_attribute_and_its_options_file_on_whether_the_build_is_optimized()
    {
        const string Heaps =
            """
            [assembly: Emma.EmmaAllocator("MyHeap", BoundaryChecks = false, Public = true)]
            [assembly: Emma.EmmaAllocator("Audio.Mixer", ThreadCache = false, BoundaryChecks = true)]
            """;
        TestProject project = new(Heaps);
        SortedDictionary<string, string> expected = Texts(project.Generate());

        CSharpCompilationOptions options = project.Options;
        CSharpCompilationOptions[] others =
        [
            options.WithNullableContextOptions(NullableContextOptions.Disable),
            options.WithNullableContextOptions(NullableContextOptions.Warnings),
            options.WithNullableContextOptions(NullableContextOptions.Annotations),
            options.WithOverflowChecks(true),
            options.WithGeneralDiagnosticOption(ReportDiagnostic.Error),
        ];
        Assert.All(others, other => Assert.Equal(expected, Texts((project with { Options = other }).Generate())));
        CSharpCompilationOptions optimized = options.WithOptimizationLevel(OptimizationLevel.Release);
        Assert.Equal(
            ["Audio.Mixer/Options.g.cs", "MyHeap/Options.g.cs"],
            Texts((project with { Options = optimized }).Generate()).Except(expected).Select(file => file.Key));
        Assert.All(TestProject.Languages, language => Assert.Equal(expected, Texts((project with { Language = language }).Generate())));
    }

    private static GeneratorOutput Emit(string threadCache) =>
        new TestProject($"""[assembly: Emma.EmmaAllocator("MyHeap", Public = true, ThreadCache = {threadCache})]""").Generate();

    private static SortedDictionary<string, string> Texts(GeneratorOutput output) =>
        new(output.HeapHintNames.ToDictionary(name => name, name => output[name]), StringComparer.Ordinal);

    private static bool IsOfForm(string name, string form) => name.Contains($"/{form}/", StringComparison.Ordinal);

    private static string[] FilesOf(GeneratorOutput output, string form) =>
        [.. output.HeapHintNames.Where(name => IsOfForm(name, form)).Order(StringComparer.Ordinal)];

    private static string[] FormIn(string form) =>
        [
            .. Repository.Templates().Keys
                .Where(path => IsOfForm(path, form))
                .Select(path => $"MyHeap/{Path.ChangeExtension(path, ".g.cs")}")
                .Order(StringComparer.Ordinal),
        ];

    private static bool IsOfLocalHeap(ISymbol member) => member.ContainingType?.Name == "LocalHeap";

    private static string[] NamesOf(XElement documentation, string element) =>
        [
            .. documentation.Elements(element)
                .Where(parameter => parameter.Value.Trim().Length > 0)
                .Select(parameter => parameter.Attribute("name")!.Value),
        ];
}
