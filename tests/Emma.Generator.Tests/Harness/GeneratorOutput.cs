using System.Collections.Concurrent;
using System.Collections.Immutable;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Emit;

namespace Emma.Generator.Tests.Harness;

/// <summary>What the generator emitted for a project, and what the compiler makes of it.</summary>
internal sealed class GeneratorOutput(TestProject project, CSharpCompilation input, ImmutableArray<GeneratedSourceResult> sources)
{
    private const string Pragma = "#pragma warning disable\n";

    // Most files are the same in many tests, and parsing them takes a good part of the time.
    private static readonly ConcurrentDictionary<(string Name, string Text, CSharpParseOptions Options), SyntaxTree> s_parsed = new();

    public ImmutableArray<string> HintNames { get; } = [.. sources.Select(source => source.HintName)];

    /// <summary>The hint names of the files that belong to heaps.</summary>
    public ImmutableArray<string> HeapHintNames => [.. HintNames.Where(name => name.Contains('/'))];

    /// <summary>The project together with what was emitted into it.</summary>
    public CSharpCompilation Compilation { get; } = input.AddSyntaxTrees(sources.Select(source => source.SyntaxTree));

    /// <summary>The text of an emitted file.</summary>
    public string this[string hintName] => sources.Single(source => source.HintName == hintName).SourceText.ToString();

    /// <summary>
    /// The same with the pragma taken out of the emitted files, so that they are judged like written ones: it is there for the warnings of
    /// compilers yet to come.
    /// </summary>
    public CSharpCompilation CompilationWithoutPragma => input.AddSyntaxTrees(sources.Select(source => s_parsed.GetOrAdd(
        (source.HintName, source.SourceText.ToString(), project.ParseOptions),
        file => CSharpSyntaxTree.ParseText(
            file.Text.Replace(Pragma, "", StringComparison.Ordinal),
            file.Options,
            file.Name,
            System.Text.Encoding.UTF8))));

    /// <summary>
    /// The diagnostics of our analyzers in the project's own files, in source order. They are asked for file by file, as an editor does,
    /// which a diagnostic of a compilation-end action would not survive.
    /// </summary>
    public async Task<ImmutableArray<Diagnostic>> AnalyzeAsync()
    {
        CompilationWithAnalyzers analyzed = WithAnalyzers(new AllocatorAnalyzer(), new BypassedAliasAnalyzer());
        List<Diagnostic> diagnostics = [];
        foreach (SyntaxTree file in input.SyntaxTrees)
        {
            SemanticModel model = Compilation.GetSemanticModel(file);
            ImmutableArray<Diagnostic> found = await analyzed.GetAnalyzerSemanticDiagnosticsAsync(model, filterSpan: null, default);
            diagnostics.AddRange(found
                .OrderBy(diagnostic => diagnostic.Location.SourceSpan.Start)
                .ThenBy(diagnostic => diagnostic.Id, StringComparer.Ordinal));
        }

        return [.. diagnostics];
    }

    /// <summary>The compiler's diagnostics after our suppressor has seen them.</summary>
    public async Task<ImmutableArray<Diagnostic>> SuppressAsync() =>
        await WithAnalyzers(new SameHeapInFriendSuppressor()).GetAllDiagnosticsAsync();

    /// <summary>Fails unless all this compiles without an error or a warning.</summary>
    public void AssertCompilesCleanly() => AssertClean(CompilationWithoutPragma.GetDiagnostics());

    /// <summary>The assembly that the compiler makes of all this. Fails unless it does so without an error or a warning.</summary>
    public byte[] Emit()
    {
        using MemoryStream assembly = new();
        EmitResult result = CompilationWithoutPragma
            .Emit(assembly, options: new EmitOptions(debugInformationFormat: DebugInformationFormat.Embedded));
        AssertClean(result.Diagnostics);
        return assembly.ToArray();
    }

    private static void AssertClean(ImmutableArray<Diagnostic> diagnostics)
    {
        string[] complaints = [.. diagnostics
            .Where(diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning)
            .Select(diagnostic => diagnostic.ToString())];
        Assert.True(complaints.Length == 0, $"{complaints.Length} complaints:\n{string.Join('\n', complaints.Take(20))}");
    }

    private CompilationWithAnalyzers WithAnalyzers(params DiagnosticAnalyzer[] analyzers) =>
        Compilation.WithAnalyzers(
            [.. analyzers],
            new CompilationWithAnalyzersOptions(
                new AnalyzerOptions([], new BuildPropertiesProvider(project.BuildProperties)),
                onAnalyzerException: null,
                concurrentAnalysis: true,
                logAnalyzerExecutionTime: false,
                reportSuppressedDiagnostics: true));
}
