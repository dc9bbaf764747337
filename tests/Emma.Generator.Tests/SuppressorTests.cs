using System.Collections.Immutable;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

public class SuppressorTests
{
    private const string Friend = """[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("Consumer")]""";

    private const string Use =
        """
        static unsafe class User
        {
            static void* M() => {name}.Alloc(8);
            static global::{name}.KernelAccess Kernel => {name}.Kernel;
        }
        """;

    [Theory]
    [InlineData("MyHeap")]
    [InlineData("Audio.Mixer")]
    public async Task CS0436_between_friends_that_chose_the_same_name_is_suppressed(string name)
    {
        Diagnostic[] warnings = await CollisionsAsync(name, Friend + $"""[assembly: Emma.EmmaAllocator("{name}")]""");

        Assert.NotEmpty(warnings);
        Assert.All(warnings, warning => Assert.True(warning.IsSuppressed, warning.ToString()));
    }

    [Fact]
    public async Task CS0436_about_a_type_that_is_no_heap_is_not_suppressed()
    {
        Diagnostic[] warnings = await CollisionsAsync("MyHeap", Friend + "static class MyHeap { }");

        Assert.NotEmpty(warnings);
        Assert.All(warnings, warning => Assert.False(warning.IsSuppressed, warning.ToString()));
    }

    [Theory]
    [InlineData("@event")]
    [InlineData("N.@class")]
    public async Task CS0436_about_other_types_in_a_namespace_named_like_a_keyword_is_not_suppressed(string container)
    {
        string foo = $"namespace {container} {{ class Foo {{ }} }}";
        MetadataReference reference = MetadataReference.CreateFromImage(
            new TestProject(Friend + foo) { AssemblyName = "Library" }.Generate().Emit());
        TestProject project = new(foo + $"namespace {container} {{ class User {{ readonly Foo foo = new(); }} }}");
        project = project with { References = project.References.Add(reference) };

        Diagnostic[] warnings = [.. (await project.Generate().SuppressAsync()).Where(diagnostic => diagnostic.Id == "CS0436")];

        Assert.NotEmpty(warnings);
        Assert.All(warnings, warning => Assert.False(warning.IsSuppressed, warning.ToString()));
    }

    private static async Task<Diagnostic[]> CollisionsAsync(string name, string library)
    {
        MetadataReference reference =
            MetadataReference.CreateFromImage(new TestProject(library) { AssemblyName = "Library" }.Generate().Emit());
        TestProject project = new($"""[assembly: Emma.EmmaAllocator("{name}")]""", Use.Replace("{name}", name, StringComparison.Ordinal));
        project = project with { References = project.References.Add(reference) };

        ImmutableArray<Diagnostic> diagnostics = await project.Generate().SuppressAsync();
        Assert.DoesNotContain(diagnostics, diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
        return [.. diagnostics.Where(diagnostic => diagnostic.Id == "CS0436")];
    }
}
