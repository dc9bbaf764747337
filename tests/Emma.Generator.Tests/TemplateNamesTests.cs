using Emma.Generator.Emission;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Tests;

public class TemplateNamesTests
{
    /// <summary>A heap may have any other name: what is private lies in one inner class.</summary>
    [Fact]
    public void Only_the_names_of_public_members_and_of_two_others_are_refused()
    {
        string[] names =
        [
            .. TemplateNames.All.Where(name => !name.StartsWith("Clr", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
        ];

        Assert.Equal(
            [
                "AlignedAlloc", "AlignedFree", "AlignedRealloc", "Alloc", "AllocHGlobal", "AllocSpan", "AllocZeroed", "Callbacks", "Clear",
                "Copy", "CreateArena", "CreateBufferWriter", "CreateSequenceWriter", "Destroy", "Fill", "Free", "FreeHGlobal",
                "GeneratorVersion", "GetStatistics", "GoodSize", "HeapArena", "HeapBufferWriter", "HeapInternals", "HeapPooledMemory",
                "HeapScopedArena", "HeapSequenceWriter", "HeapStatistics", "Kernel", "KernelAccess", "LoadBaseLibrary", "Local",
                "LocalHeap", "MemoryLimit", "OutOfMemoryHandler", "Owns", "Pool", "Prepare", "ReAllocHGlobal", "Realloc", "Rent",
                "RentPooled", "RentZeroed", "ScopedArena", "Trim", "TryAlignedAlloc", "TryAlignedRealloc", "TryAlloc", "TryAllocZeroed",
                "TryRealloc", "UsableSize",
            ],
            names);
    }

    [Theory]
    [InlineData("Hardened")]
    [InlineData("BoundaryChecks")]
    [InlineData("Segment")]
    [InlineData("ThreadCache")]
    [InlineData("Heap")]
    [InlineData("Root")]
    public void A_heap_may_have_the_name_of_an_option_or_of_a_part(string name)
    {
        string form = name == "Hardened" ? ", Hardened = true" : "";
        new TestProject($$"""
            [assembly: Emma.EmmaAllocator("{{name}}"{{form}})]
            static class User { public static unsafe void Use() => {{name}}.Free({{name}}.Alloc(1)); }
            """).Generate().AssertCompilesCleanly();
    }

    [Theory]
    [InlineData("")]
    [InlineData(", ThreadCache = false")]
    [InlineData(", Hardened = true")]
    public void Every_member_and_nested_type_of_the_heap_is_known_as_a_name_that_no_heap_can_have(string form)
    {
        INamedTypeSymbol heap = new TestProject($"""[assembly: Emma.EmmaAllocator("Audio.Mixer"{form})]""").Generate()
            .Compilation.GetTypeByMetadataName("Audio.Mixer")!;

        string[] members = [.. heap.GetMembers().Where(member => member.CanBeReferencedByName).Select(member => member.Name).Distinct()];
        Assert.Contains("Free", members);
        Assert.All(members, member => Assert.True(TemplateNames.Contains(member), member));
    }

    [Fact]
    public void Every_alias_beside_the_heap_is_known_as_a_name_that_no_heap_can_have()
    {
        string[] aliases =
        [
            .. Repository.Templates().Values
                .SelectMany(text => CSharpSyntaxTree.ParseText(text).GetRoot().DescendantNodes().OfType<UsingDirectiveSyntax>())
                .Select(alias => alias.Alias!.Name.Identifier.ValueText),
        ];

        Assert.NotEmpty(aliases);
        Assert.All(aliases, alias => Assert.True(TemplateNames.Contains(alias), alias));
    }

    [Theory]
    [InlineData("Mixer")]
    [InlineData("Audio")]
    [InlineData("EmmaHeap")]
    [InlineData("byteCount")]
    [InlineData("MappedBytes")]
    public void A_name_that_the_heap_does_not_declare_itself_is_free(string name) =>
        Assert.False(TemplateNames.Contains(name));
}
