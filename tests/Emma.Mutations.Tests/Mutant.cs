using System.Collections.Immutable;
using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Text;

namespace Emma.Mutations.Tests;

// The tests of the templates that are to find a mutation, compiled as their project compiles them, with other code in the templates.
internal static class Mutant
{
    // The generators that the tests need, by their assemblies.
    private static readonly Dictionary<string, string> s_generators = new Dictionary<string, string>
    {
        ["Microsoft.Interop.LibraryImportGenerator"] = "Microsoft.Interop.LibraryImportGenerator",
        ["System.Text.RegularExpressions.Generator"] = "System.Text.RegularExpressions.Generator.RegexGenerator",
    };

    // The methods of the tests that are to find a mutation.
    private static readonly HashSet<string> s_named = [.. Mutations.All.Select(mutation => mutation.Test.Split('.')[1])];

    private static readonly Lazy<CSharpCompilation> s_original = new Lazy<CSharpCompilation>(Parse);

    private static readonly Lazy<byte[]> s_unchanged = new Lazy<byte[]>(() => Emit(s_original.Value));

    // The text of each template that is compiled.
    internal static Dictionary<string, string> Templates() =>
        s_arguments.Value.SourceFiles.Select(file => Path.GetFullPath(file.Path)).Where(Repository.IsTemplate)
            .ToDictionary(file => file, File.ReadAllText);

    private static readonly Lazy<CSharpCommandLineArguments> s_arguments = new Lazy<CSharpCommandLineArguments>(() =>
        CSharpCommandLineParser.Default.Parse(File.ReadAllLines(Repository.CompilerArguments), Repository.TestedProject,
            sdkDirectory: null));

    // Compiles the tests with some changes.
    internal static void Compile(IEnumerable<Edit> edits, string target)
    {
        CSharpCompilation compilation = s_original.Value;
        Dictionary<string, string> files = Templates();
        Dictionary<string, string> before = new Dictionary<string, string>(files);
        foreach (Edit edit in edits)
            edit.Apply(files);
        foreach ((string file, string text) in files.Where(file => before[file.Key] != file.Value))
        {
            SyntaxTree tree = compilation.SyntaxTrees.Single(tree => tree.FilePath == file);
            compilation = compilation.ReplaceSyntaxTree(tree, tree.WithChangedText(SourceText.From(text, tree.Encoding)));
        }

        File.WriteAllBytes(target, Emit(compilation));
    }

    // The tests as they are.
    internal static void CompileUnchanged(string target) => File.WriteAllBytes(target, s_unchanged.Value);

    private static byte[] Emit(CSharpCompilation compilation)
    {
        using MemoryStream stream = new MemoryStream();
        EmitResult result = compilation.Emit(stream);
        Assert.True(
            result.Success,
            string.Join('\n', result.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)));
        return stream.ToArray();
    }

    private static CSharpCompilation Parse()
    {
        CSharpCommandLineArguments arguments = s_arguments.Value;
        // A mutant need not be neat: nothing but errors counts, and what may be null is not asked.
        CSharpParseOptions parsing = arguments.ParseOptions
            .WithFeatures([.. arguments.ParseOptions.Features, new("run-nullable-analysis", "never")]);
        SyntaxTree[] trees = [.. arguments.SourceFiles.AsParallel().AsOrdered().Select(file =>
        {
            using FileStream stream = File.OpenRead(file.Path);
            string path = Path.GetFullPath(file.Path);
            SyntaxTree tree = CSharpSyntaxTree.ParseText(SourceText.From(stream), parsing, path);
            return Repository.IsTemplate(path) ? tree : new OtherTests().RemovedFrom(tree);
        })];
        CSharpCompilationOptions options = arguments.CompilationOptions
            .WithGeneralDiagnosticOption(ReportDiagnostic.Suppress)
            .WithSpecificDiagnosticOptions(ImmutableDictionary<string, ReportDiagnostic>.Empty);
        CSharpCompilation compilation = CSharpCompilation.Create(
            arguments.CompilationName,
            trees,
            arguments.MetadataReferences.Select(reference => MetadataReference.CreateFromFile(reference.Reference, reference.Properties)),
            options);

        IEnumerable<ISourceGenerator> generators = arguments.AnalyzerReferences.Select(reference => reference.FilePath)
            .Where(file => s_generators.ContainsKey(Path.GetFileNameWithoutExtension(file)))
            .Select(file => Assembly.LoadFrom(file).GetType(s_generators[Path.GetFileNameWithoutExtension(file)])!)
            .Select(type => ((IIncrementalGenerator)Activator.CreateInstance(type)!).AsSourceGenerator());
        CSharpGeneratorDriver.Create(generators, parseOptions: parsing)
            .RunGeneratorsAndUpdateCompilation(compilation, out Compilation generated, out _);
        return (CSharpCompilation)generated;
    }

    // Removes each test that no mutation names: most of what the compiler would do is for those.
    private sealed class OtherTests : CSharpSyntaxRewriter
    {
        internal SyntaxTree RemovedFrom(SyntaxTree tree) => tree.WithRootAndOptions(Visit(tree.GetRoot()), tree.Options);

        public override SyntaxNode? VisitMethodDeclaration(MethodDeclarationSyntax node) =>
            IsTest(node) && !s_named.Contains(node.Identifier.ValueText) ? null : node;

        private static bool IsTest(MethodDeclarationSyntax method) =>
            method.AttributeLists.SelectMany(list => list.Attributes).Select(attribute => attribute.Name.ToString())
                .Any(name => name.EndsWith("Fact", StringComparison.Ordinal) || name.EndsWith("Theory", StringComparison.Ordinal));
    }
}
