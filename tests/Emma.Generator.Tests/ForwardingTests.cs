using System.Collections.Immutable;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

/// <summary>The class over <c>Marshal</c> that takes a heap's place where the framework is older than net8.0.</summary>
public class ForwardingTests
{
    private static readonly CSharpCompilationOptions s_options = new(
        OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, warningLevel: 9999);

    [Theory]
    [InlineData("MyHeap")]
    [InlineData("Audio.Memory.Mixer")]
    [InlineData("Audio.mixer")]
    public void It_compiles_cleanly_in_CSharp_9_with_spans_where_there_are_any(string name)
    {
        GeneratorOutput without = Project($"""[assembly: Emma.EmmaAllocator("{name}", Public = true)]""", hasSpans: false).Generate();
        GeneratorOutput with = Project($"""[assembly: Emma.EmmaAllocator("{name}", Public = true)]""", hasSpans: true).Generate();

        without.AssertCompilesCleanly();
        with.AssertCompilesCleanly();
        Assert.Equal([$"{name}/Forwarding.g.cs"], without.HeapHintNames);
        Assert.Equal([$"{name}/Forwarding.g.cs", $"{name}/ForwardingSpans.g.cs"], with.HeapHintNames);
        Assert.Equal(Accessibility.Public, with.Compilation.GetTypeByMetadataName(name)!.DeclaredAccessibility);
    }

    [Fact]
    public void It_is_documented_and_internal_unless_it_is_asked_to_be_public_and_no_host_is_told_of_it()
    {
        TestProject project = Project("""[assembly: Emma.EmmaAllocator("MyHeap")]""", hasSpans: true);
        GeneratorOutput output = project.Generate();

        Assert.Equal(Accessibility.Internal, output.Compilation.GetTypeByMetadataName("MyHeap")!.DeclaredAccessibility);
        Assert.DoesNotContain(
            output.Compilation.Assembly.GetAttributes(), attribute => attribute.AttributeClass!.Name == "AssemblyMetadataAttribute");
        Assert.All(PublicSurface.Of(output), member => Assert.Contains("<summary>", member.GetDocumentationCommentXml()));
    }

    /// <summary>It is a part of the heap: one code serves both.</summary>
    [Fact]
    public void Its_public_surface_is_a_part_of_the_heaps_and_the_diagnostic_lists_the_rest()
    {
        ISymbol[] heap = PublicSurface.Of(new TestProject("""[assembly: Emma.EmmaAllocator("MyHeap")]""").Generate());
        ISymbol[] spans = PublicSurface.Of(Project("""[assembly: Emma.EmmaAllocator("MyHeap")]""", hasSpans: true).Generate());
        ISymbol[] none = PublicSurface.Of(Project("""[assembly: Emma.EmmaAllocator("MyHeap")]""", hasSpans: false).Generate());

        string[] declared = [.. heap.Select(PublicSurface.Declaration)];
        Assert.All(spans, member => Assert.Contains(PublicSurface.Declaration(member), declared));
        Assert.Equal(
            ["AllocSpan", "Free"],
            spans.ExceptBy(none.Select(PublicSurface.Declaration), PublicSurface.Declaration).Select(member => member.Name).Order());

        string[] absent = [.. Members(heap).Except(Members(spans)).Order(StringComparer.Ordinal)];
        string message = Emma.Generator.Diagnostics.DiagnosticDescriptors.FrameworkIsTooOld.MessageFormat.ToString(null);
        Assert.EndsWith("it has no {1}" + string.Join(", ", absent) + ".", message, StringComparison.Ordinal);
        string page = File.ReadAllText(Repository.Path("docs", "diagnostics", "EMMA0008.md"));
        Assert.All(absent, name => Assert.Contains($"`{name}`", page, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, false, OptimizationLevel.Debug)]
    [InlineData(true, true, OptimizationLevel.Release)]
    public void It_does_what_the_heap_does(bool hasSpans, bool isChecked, OptimizationLevel level)
    {
        string work = File.ReadAllText(Repository.Path("tests", "Emma.Consumers", "Projects", "MultiTarget", "Work.cs"));
        TestProject project = Project("""[assembly: Emma.EmmaAllocator("MultiTarget.Memory.Blocks")]""", hasSpans);
        project = project with
        {
            Sources = [.. project.Sources, work],
            Options = s_options.WithOverflowChecks(isChecked).WithOptimizationLevel(level),
            Constants = hasSpans ? ["SPANS"] : [],
        };
        using PluginAssembly plugin = new(project.Generate().Emit());

        Assert.Equal("", plugin.Call("Work", "Run"));
    }

    [Theory]
    [InlineData("MyHeap.Free(block); MyHeap.AlignedFree(block);", "AlignedFree")]
    [InlineData("MyHeap.Free(block + 160);", "Free")]
    [InlineData("MyHeap.Realloc(block + 8, 1);", "Realloc")]
    public void What_is_no_block_is_refused_with_the_words_of_the_heap(string statements, string operation)
    {
        TestProject project = Project("""[assembly: Emma.EmmaAllocator("MyHeap")]""", hasSpans: false);
        project = project with
        {
            Sources =
            [
                .. project.Sources,
                $$"""
                static unsafe class Work
                {
                    public static void Run()
                    {
                        byte* block = (byte*)MyHeap.AllocZeroed(1000);
                        {{statements}}
                    }
                }
                """,
            ],
        };
        using PluginAssembly plugin = new(project.Generate().Emit());

        ArgumentException refusal = Assert.Throws<ArgumentException>(() => plugin.Call("Work", "Run"));
        Assert.Matches(
            $"^MyHeap.{operation} was given the pointer 0x[0-9a-f]+, where no live block of this heap begins", refusal.Message);
    }

    private static IEnumerable<string> Members(ISymbol[] surface) =>
        surface.Where(member => member.ContainingType?.Name == "MyHeap" && member is not INamedTypeSymbol { Name: not "Callbacks" })
            .Select(member => member.Name)
            .Distinct();

    private static TestProject Project(string source, bool hasSpans) => new(source)
    {
        Language = LanguageVersion.CSharp9,
        Options = s_options,
        References = hasSpans ? TestProject.NetStandardWithSpans : TestProject.NetStandard,
    };
}
