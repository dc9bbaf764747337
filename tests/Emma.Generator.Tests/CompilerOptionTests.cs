using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Tests;

/// <summary>Emitted code compiles without a warning whatever the project says; the pragma that would hide one is taken out first.</summary>
public class CompilerOptionTests
{
    // Each option has each value, and with either form of the caches; the fast form has not all pairs.
    private static readonly TestProject s_project = new(
        Length.IsLong
            ? """
              [assembly: Emma.EmmaAllocator("Audio.Mixer", BoundaryChecks = false, Public = true)]
              [assembly: Emma.EmmaAllocator("MyHeap", BoundaryChecks = true, MemoryLimit = 1)]
              [assembly: Emma.EmmaAllocator("Audio.Sampler", ThreadCache = false, BoundaryChecks = false, Public = true)]
              [assembly: Emma.EmmaAllocator("MySmallHeap", ThreadCache = false, BoundaryChecks = true, MemoryLimit = 1)]
              """
            : """
              [assembly: Emma.EmmaAllocator("Audio.Mixer", BoundaryChecks = true, Public = true)]
              [assembly: Emma.EmmaAllocator("MySmallHeap", ThreadCache = false, BoundaryChecks = false, MemoryLimit = 1)]
              """);

    [Theory]
    [InlineData(NullableContextOptions.Disable)]
    [InlineData(NullableContextOptions.Warnings)]
    [InlineData(NullableContextOptions.Annotations)]
    [InlineData(NullableContextOptions.Enable)]
    public void Nullable(NullableContextOptions nullable) =>
        AssertClean(options => options.WithNullableContextOptions(nullable));

    [Fact]
    public void TreatWarningsAsErrors() =>
        AssertClean(options => options.WithGeneralDiagnosticOption(ReportDiagnostic.Error));

    [Fact]
    public void CheckForOverflowUnderflow() =>
        AssertClean(options => options.WithOverflowChecks(true));

    [Theory]
    [InlineData(OptimizationLevel.Debug)]
    [InlineData(OptimizationLevel.Release)]
    public void Optimize(OptimizationLevel optimization) =>
        AssertClean(options => options.WithOptimizationLevel(optimization));

    [Theory]
    [InlineData(DocumentationMode.None)]
    [InlineData(DocumentationMode.Parse)]
    [InlineData(DocumentationMode.Diagnose)]
    public void GenerateDocumentationFile(DocumentationMode documentation) =>
        (s_project with { Documentation = documentation }).Generate().AssertCompilesCleanly();

    [Theory]
    [InlineData("CLSCompliant(false)")]
    [InlineData("System.Runtime.InteropServices.ComVisible(false)")]
    [InlineData("System.Runtime.CompilerServices.DisableRuntimeMarshalling")]
    [InlineData("System.Runtime.CompilerServices.RuntimeCompatibility(WrapNonExceptionThrows = false)")]
    public void Attributes_of_the_assembly(string attribute) =>
        (s_project with { Sources = [.. s_project.Sources, $"using System; [assembly: {attribute}]"] }).Generate().AssertCompilesCleanly();

    /// <summary>
    /// No text could do without the pragma here: what CLS compliance wants of a public heap, it forbids in all other assemblies.
    /// </summary>
    [Fact]
    public void A_public_heap_in_a_CLS_compliant_assembly() =>
        Assert.DoesNotContain(
            (s_project with { Sources = [.. s_project.Sources, "[assembly: System.CLSCompliant(true)]"] })
                .Generate().Compilation.GetDiagnostics(),
            diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning);

    [Fact]
    public void Preprocessor_symbols_arm_nothing_but_the_heaps_own_assertions()
    {
        CSharpCompilation compilation = s_project.Generate().Compilation;
        CSharpParseOptions symbols = s_project.ParseOptions.WithPreprocessorSymbols("DEBUG", "TRACE", "EMMA_ASSERT");
        SyntaxTree[] trees =
        [
            .. compilation.SyntaxTrees.Select(tree => CSharpSyntaxTree.ParseText(tree.GetText(), symbols, tree.FilePath)),
        ];

        Assert.DoesNotContain(
            compilation.RemoveAllSyntaxTrees().AddSyntaxTrees(trees).GetDiagnostics(),
            diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning);
    }

    private static void AssertClean(Func<CSharpCompilationOptions, CSharpCompilationOptions> change) =>
        (s_project with { Options = change(s_project.Options) }).Generate().AssertCompilesCleanly();
}
