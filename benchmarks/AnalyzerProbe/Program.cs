using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using AnalyzerProbe;
using Emma.Generator;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

// AnalyzerProbe FOLDER...: each folder's C# as one compilation against the base library, with a heap that its native allocations are given
// to. Other packages are missing, so that parts may not compile: it says how much does.
foreach (string folder in args)
    await ProbeAsync(folder);

static async Task ProbeAsync(string folder)
{
    CpuClock clock = new();
    ForeignCode code = ForeignCode.Read(folder);
    double parsing = clock.Lap();

    GeneratorDriver driver = CSharpGeneratorDriver.Create(
        [new EmmaGenerator().AsSourceGenerator()], parseOptions: (CSharpParseOptions)code.Compilation.SyntaxTrees[0].Options);
    driver.RunGeneratorsAndUpdateCompilation(code.Compilation, out Compilation compilation, out _);
    double generating = clock.Lap();

    int errors = compilation.GetDiagnostics().Count(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
    double binding = clock.Lap();

    compilation.Emit(Stream.Null);
    double emitting = clock.Lap();
    (int calls, int clean) = code.CountCalls(compilation);

    // Analyzers bind for themselves what nobody has bound: so they do in a compiler, which shares it.
    ImmutableArray<DiagnosticAnalyzer> analyzers =
    [
        .. typeof(EmmaGenerator).Assembly.GetTypes()
            .Where(type => type.GetCustomAttribute<DiagnosticAnalyzerAttribute>() is not null)
            .Where(type => !type.IsSubclassOf(typeof(DiagnosticSuppressor)))
            .Select(type => (DiagnosticAnalyzer)Activator.CreateInstance(type)!),
    ];
    CompilationWithAnalyzersOptions options = new(
        new AnalyzerOptions([]), onAnalyzerException: null, concurrentAnalysis: false, logAnalyzerExecutionTime: true);
    CompilationWithAnalyzers analysis = compilation.WithAnalyzers(analyzers, options);
    ImmutableArray<Diagnostic> reports = await analysis.GetAnalyzerDiagnosticsAsync();
    double analyzing = 0;
    foreach (DiagnosticAnalyzer analyzer in analyzers)
        analyzing += (await analysis.GetAnalyzerTelemetryInfoAsync(analyzer, CancellationToken.None)).ExecutionTime.TotalSeconds;

    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"""
        {folder}: {code.Lines} lines, {errors} errors; {calls} calls given to the heap, {clean} in members without errors
          s of the processor: parsing {parsing:f1}, generator {generating:f1}, binding {binding:f1}, emitting {emitting:f1};
          analyzers {analyzing:f1}
        """));
    foreach (Diagnostic report in reports)
        Console.WriteLine($"  {report}");
}
