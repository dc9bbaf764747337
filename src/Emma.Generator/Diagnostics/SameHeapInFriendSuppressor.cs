using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Diagnostics;

/// <summary>
/// Silences CS0436 where two assemblies, one a friend of the other, chose the same name for their heaps. The compiler takes the
/// assembly's own heap, as is meant, and warns because another one is visible.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class SameHeapInFriendSuppressor : DiagnosticSuppressor
{
    private static readonly SuppressionDescriptor s_descriptor = new(
        "EMMASPR0001",
        "CS0436",
        "Both types are heaps written by Emma.Generator, each private to its assembly; the assembly's own one is used");

    /// <inheritdoc/>
    public override ImmutableArray<SuppressionDescriptor> SupportedSuppressions { get; } = [s_descriptor];

    /// <inheritdoc/>
    public override void ReportSuppressions(SuppressionAnalysisContext context)
    {
        foreach (Diagnostic diagnostic in context.ReportedDiagnostics)
        {
            if (IsAboutHeaps(diagnostic, context))
                context.ReportSuppression(Suppression.Create(s_descriptor, diagnostic));
        }
    }

    private static bool IsAboutHeaps(Diagnostic diagnostic, SuppressionAnalysisContext context)
    {
        if (diagnostic.Location.SourceTree is not SyntaxTree tree)
            return false;

        SyntaxNode node = tree.GetRoot(context.CancellationToken)
            .FindNode(diagnostic.Location.SourceSpan, findInsideTrivia: true, getInnermostNodeForTie: true);
        ISymbol? used = context.GetSemanticModel(tree).GetSymbolInfo(node, context.CancellationToken).Symbol;
        if (used is not INamedTypeSymbol { ContainingType: null } type)
            return false;

        // Besides this assembly's heap the name must mean other heaps and nothing else, or the warning may have a point
        ImmutableArray<INamedTypeSymbol> visible =
        [
            .. context.Compilation.GetTypesByMetadataName(MetadataNameOf(type))
                .Where(other => context.Compilation.IsSymbolAccessibleWithin(other, context.Compilation.Assembly)),
        ];
        return EmittedHeap.Is(type) && visible.Length > 1 && visible.All(EmittedHeap.Is);
    }

    private static string MetadataNameOf(INamedTypeSymbol type)
    {
        string name = type.MetadataName;
        for (INamespaceSymbol outer = type.ContainingNamespace; !outer.IsGlobalNamespace; outer = outer.ContainingNamespace)
            name = $"{outer.MetadataName}.{name}";
        return name;
    }
}
