using System.Collections.Immutable;
using Emma.Generator.Diagnostics;
using Emma.Generator.Model;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Migration;

/// <summary>
/// Shows, in an assembly that has a heap, which calls of <c>NativeMemory</c> and <c>Marshal</c> could go to it: something for code fixes to
/// hang on. A build does not run it, because nothing that it says is a warning.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class MigrationAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } =
        [DiagnosticDescriptors.CallCouldBeOfHeap, DiagnosticDescriptors.MarshalCouldBeHeap];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.EnableConcurrentExecution();
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.RegisterCompilationStartAction(static start =>
        {
            ImmutableArray<INamedTypeSymbol> heaps = HeapsOf(start.Compilation, start.CancellationToken);
            if (heaps.IsEmpty)
                return;

            Lazy<NativeMemoryAliases> aliases = new(() => new NativeMemoryAliases(start.Compilation));
            start.RegisterSyntaxNodeAction(context => AnalyzeName(context, heaps, aliases), SyntaxKind.IdentifierName);
        });
    }

    // The heaps that this assembly asks for and that are there, in source order.
    private static ImmutableArray<INamedTypeSymbol> HeapsOf(Compilation compilation, CancellationToken token) =>
    [
        .. HeapRequest.AllIn(compilation, token)
            .SelectMany(request => compilation.GetTypesByMetadataName(request.Name))
            .Where(type => SymbolEqualityComparer.Default.Equals(type.ContainingAssembly, compilation.Assembly) && EmittedHeap.Is(type)),
    ];

    private static void AnalyzeName(
        SyntaxNodeAnalysisContext context, ImmutableArray<INamedTypeSymbol> heaps, Lazy<NativeMemoryAliases> aliases)
    {
        var name = (IdentifierNameSyntax)context.Node;
        string text = name.Identifier.ValueText;
        bool isNative = BaseLibraryMemory.NativeMemoryMethods.Contains(text);
        if ((!isNative && !BaseLibraryMemory.GlobalMethods.Contains(text))
            || name.IsPartOfStructuredTrivia()
            || context.SemanticModel.GetSymbolInfo(name, context.CancellationToken).Symbol is not IMethodSymbol method)
        {
            return;
        }

        SyntaxNode used = name.Parent is MemberAccessExpressionSyntax access && access.Name == name ? access : name;
        if (isNative && BaseLibraryMemory.IsNativeMemory(method.ContainingType))
        {
            // Where a heap has taken that name, EMMA1001 says more
            if (aliases.Value.HeapMeantIn(name.SyntaxTree) is null)
                Report(DiagnosticDescriptors.CallCouldBeOfHeap, heaps, isPaired: true);
        }
        else if (!isNative && BaseLibraryMemory.IsMarshal(method.ContainingType))
        {
            ImmutableArray<INamedTypeSymbol> able = heaps.RemoveAll(heap => heap.GetMembers(text).IsEmpty);
            if (!able.IsEmpty)
            {
                bool isPaired = used.Parent is InvocationExpressionSyntax invocation
                    && PairedBlocks.IsPaired(invocation, text, context.SemanticModel, context.CancellationToken);
                Report(DiagnosticDescriptors.MarshalCouldBeHeap, able, isPaired);
            }
        }

        void Report(DiagnosticDescriptor descriptor, ImmutableArray<INamedTypeSymbol> of, bool isPaired)
        {
            ImmutableDictionary<string, string?> properties = ImmutableDictionary<string, string?>.Empty
                .Add(DiagnosticProperties.Heaps, string.Join(";", of.Select(static heap => heap.ToDisplayString())));
            if (isPaired)
                properties = properties.Add(DiagnosticProperties.IsPaired, "true");
            context.ReportDiagnostic(
                Diagnostic.Create(descriptor, used.GetLocation(), properties, used.ToString(), of[0].ToDisplayString()));
        }
    }
}
