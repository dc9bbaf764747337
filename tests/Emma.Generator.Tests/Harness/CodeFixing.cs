using System.Collections.Immutable;
using Emma.CodeFixes;
using Emma.Generator.Diagnostics;
using Emma.Generator.Migration;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;

namespace Emma.Generator.Tests.Harness;

/// <summary>A project in a workspace, as an editor has it: what is offered at its diagnostics, and what becomes of it.</summary>
internal sealed class CodeFixing : IDisposable
{
    private readonly AdhocWorkspace _workspace = new();

    private readonly ProjectId _project;

    public CodeFixing(TestProject project, bool generates)
    {
        _project = ProjectId.CreateNewId();
        Solution solution = _workspace.CurrentSolution
            .AddProject(ProjectInfo.Create(
                _project, VersionStamp.Default, "Consumer", "Consumer", LanguageNames.CSharp,
                compilationOptions: project.Options, parseOptions: project.ParseOptions, metadataReferences: project.References));
        foreach ((string source, int i) in project.Sources.Select((source, i) => (source, i)))
            solution = solution.AddDocument(DocumentId.CreateNewId(_project), $"Source{i}.cs", SourceText.From(source));
        if (generates)
            solution = solution.AddAnalyzerReference(_project, new GeneratorReference());
        Solution = solution;
    }

    public Solution Solution { get; private set; }

    public Project Project => Solution.GetProject(_project)!;

    /// <summary>All that our analyzers say of the project's own files, in source order.</summary>
    public async Task<Diagnostic[]> DiagnosticsAsync()
    {
        Compilation compilation = (await Project.GetCompilationAsync())!;
        ImmutableArray<Diagnostic> found = await compilation
            .WithAnalyzers([new AllocatorAnalyzer(), new BypassedAliasAnalyzer(), new MigrationAnalyzer()], new AnalyzerOptions([]))
            .GetAnalyzerDiagnosticsAsync();
        return [.. found.OrderBy(diagnostic => diagnostic.Location.SourceTree!.FilePath, StringComparer.Ordinal)
            .ThenBy(diagnostic => diagnostic.Location.SourceSpan.Start)];
    }

    /// <summary>What a provider offers at a diagnostic.</summary>
    public async Task<CodeAction[]> OffersAsync(CodeFixProvider provider, Diagnostic diagnostic)
    {
        Assert.Contains(diagnostic.Id, provider.FixableDiagnosticIds);
        List<CodeAction> offers = [];
        Document document = Project.GetDocument(diagnostic.Location.SourceTree)!;
        await provider.RegisterCodeFixesAsync(new CodeFixContext(document, diagnostic, (action, _) => offers.Add(action), default));
        return [.. offers];
    }

    public async Task ApplyAsync(CodeAction action)
    {
        ImmutableArray<CodeActionOperation> operations = await action.GetOperationsAsync(default);
        Solution = operations.OfType<ApplyChangesOperation>().Single().ChangedSolution;
    }

    /// <summary>Applies the first offer at every diagnostic of an id that has it, at once, as an editor's "fix all" does.</summary>
    public async Task FixAllAsync(CodeFixProvider provider, string id)
    {
        Diagnostic[] diagnostics = [.. (await DiagnosticsAsync()).Where(diagnostic => diagnostic.Id == id)];
        Dictionary<Document, Diagnostic[]> byDocument = diagnostics
            .GroupBy(diagnostic => Project.GetDocument(diagnostic.Location.SourceTree)!)
            .ToDictionary(group => group.Key, group => group.ToArray());
        CodeAction[][] offers = await Task.WhenAll(diagnostics.Select(diagnostic => OffersAsync(provider, diagnostic)));
        CodeAction first = offers.SelectMany(offer => offer).First();
        FixAllContext context = new(
            byDocument.Keys.First(), provider, FixAllScope.Project, first.EquivalenceKey!, [id], new Known(byDocument), default);
        await ApplyAsync((await provider.GetFixAllProvider()!.GetFixAsync(context))!);
    }

    public async Task<string> TextAsync(int source) =>
        (await Project.Documents.Single(document => document.Name == $"Source{source}.cs").GetTextAsync()).ToString();

    public async Task AssertCompilesAsync() =>
        Assert.DoesNotContain((await Project.GetCompilationAsync())!.GetDiagnostics(), error => error.Severity == DiagnosticSeverity.Error);

    public void Dispose() => _workspace.Dispose();

    private sealed class Known(Dictionary<Document, Diagnostic[]> diagnostics) : FixAllContext.DiagnosticProvider
    {
        public override Task<IEnumerable<Diagnostic>> GetAllDiagnosticsAsync(Project project, CancellationToken token) =>
            Task.FromResult(diagnostics.Values.SelectMany(found => found));

        public override Task<IEnumerable<Diagnostic>> GetDocumentDiagnosticsAsync(Document document, CancellationToken token) =>
            Task.FromResult<IEnumerable<Diagnostic>>(diagnostics.GetValueOrDefault(document) ?? []);

        public override Task<IEnumerable<Diagnostic>> GetProjectDiagnosticsAsync(Project project, CancellationToken token) =>
            Task.FromResult<IEnumerable<Diagnostic>>([]);
    }

    private sealed class GeneratorReference : AnalyzerReference
    {
        // The workspace takes generators for the same only where they are.
        private readonly ImmutableArray<ISourceGenerator> _generators = [new EmmaGenerator().AsSourceGenerator()];

        public override string FullPath => "";

        public override object Id => typeof(EmmaGenerator);

        public override ImmutableArray<DiagnosticAnalyzer> GetAnalyzers(string language) => [];

        public override ImmutableArray<DiagnosticAnalyzer> GetAnalyzersForAllLanguages() => [];

        public override ImmutableArray<ISourceGenerator> GetGenerators(string language) => _generators;
    }
}
