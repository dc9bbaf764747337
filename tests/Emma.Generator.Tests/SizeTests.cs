using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Emit;

namespace Emma.Generator.Tests;

public class SizeTests(ITestOutputHelper output)
{
    /// <summary>
    /// What a heap adds to an assembly is to be 64 KiB at most where the SDK builds it, which `footprint` of the benchmarks measures. The oldest compiler that the generator
    /// runs in takes a little more, and pads each of the two files to a multiple of 512 bytes.
    /// </summary>
    [Fact]
    public void A_heap_adds_64_KiB_to_an_assembly_and_padding()
    {
        int added = LengthOf("""[assembly: Emma.EmmaAllocator("ProbeHeap")]""") - LengthOf("");
        output.WriteLine($"{added} bytes");
        Assert.True(added <= 65 * 1024, $"A heap adds {added} bytes.");
    }

    private static int LengthOf(string source)
    {
        TestProject project = new(source);
        project = project with { Options = project.Options.WithOptimizationLevel(OptimizationLevel.Release) };
        using MemoryStream assembly = new();
        EmitResult result = project.Generate().Compilation.Emit(assembly);
        Assert.True(result.Success);
        return (int)assembly.Length;
    }
}
