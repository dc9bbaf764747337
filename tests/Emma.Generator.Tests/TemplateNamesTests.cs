using Emma.Generator.Emission;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Tests;

public class TemplateNamesTests
{
    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public void Every_member_and_nested_type_of_the_heap_is_known_as_a_name_that_no_heap_can_have(string threadCache)
    {
        INamedTypeSymbol heap = new TestProject($"""[assembly: Emma.EmmaAllocator("Audio.Mixer", ThreadCache = {threadCache})]""").Generate()
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
