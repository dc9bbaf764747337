using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

public class StaticsTests
{
    /// <summary>
    /// CoreCLR keeps statics that are values in memory that a forked child shares: what one process wrote there, the other would read.
    /// References lie on the managed heap, which is private, and thread statics with their thread.
    /// </summary>
    [Theory]
    [InlineData("")]
    [InlineData(", ThreadCache = false")]
    [InlineData(", Hardened = true")]
    public void No_static_field_of_a_heap_holds_a_value_that_changes(string form)
    {
        INamedTypeSymbol heap = new TestProject($"""[assembly: Emma.EmmaAllocator("MyHeap"{form})]""").Generate()
            .Compilation.GetTypeByMetadataName("MyHeap")!;
        IFieldSymbol[] fields =
        [
            .. TypesIn(heap).SelectMany(type => type.GetMembers()).OfType<IFieldSymbol>().Where(field => field.IsStatic),
        ];

        Assert.Contains(fields, field => field.Name == "s_current");
        Assert.DoesNotContain(
            fields,
            field => !field.IsConst && !field.IsReadOnly && !field.Type.IsReferenceType
                && !field.GetAttributes().Any(attribute => attribute.AttributeClass!.Name == "ThreadStaticAttribute"));
    }

    private static IEnumerable<INamedTypeSymbol> TypesIn(INamedTypeSymbol type) => type.GetTypeMembers().SelectMany(TypesIn).Prepend(type);
}
