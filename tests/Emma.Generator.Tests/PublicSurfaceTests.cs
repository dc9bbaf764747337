using Emma.Generator.Misuse;
using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests;

/// <summary>The emitted API is the contract: every change of it shows in a snapshot.</summary>
public class PublicSurfaceTests
{
    [Fact]
    public void The_public_surface_is_the_accepted_one() => Snapshot.Matches(SurfaceOf(""));

    /// <summary>A heap's methods that the analyzers go by are those that there are.</summary>
    [Fact]
    public void The_analyzers_know_no_name_that_a_heap_has_not()
    {
        INamedTypeSymbol heap = Generate("").Compilation.GetTypeByMetadataName("MyHeap")!;
        INamedTypeSymbol arena = heap.GetTypeMembers("HeapArena").Single();
        Assert.Empty(AllocatorCall.NamesOfHeaps.Except(heap.MemberNames));
        Assert.Empty(AllocatorCall.NamesOfArenas.Except(arena.MemberNames));
    }

    [Theory]
    [InlineData(", ThreadCache = false")]
    [InlineData(", BoundaryChecks = true")]
    [InlineData(", Hardened = true")]
    [InlineData(", MemoryLimit = 64 << 20")]
    [InlineData(", Hardened = true, MemoryLimit = 64 << 20")]
    public void Every_form_has_the_same_public_surface(string options) => Assert.Equal(SurfaceOf(""), SurfaceOf(options));

    [Fact]
    public void A_public_heap_has_the_same_surface_and_a_public_class()
    {
        Assert.Equal(SurfaceOf(""), SurfaceOf(", Public = true"));
        Assert.Equal(Accessibility.Internal, Generate("").Compilation.GetTypeByMetadataName("MyHeap")!.DeclaredAccessibility);
        Assert.Equal(Accessibility.Public, Generate(", Public = true").Compilation.GetTypeByMetadataName("MyHeap")!.DeclaredAccessibility);
    }

    private static GeneratorOutput Generate(string options) =>
        new TestProject($"""[assembly: Emma.EmmaAllocator("MyHeap"{options})]""").Generate();

    private static string SurfaceOf(string options)
    {
        GeneratorOutput output = Generate(options);
        return string.Concat(PublicSurface.Of(output).Select(member => PublicSurface.Declaration(member) + "\n"));
    }
}
