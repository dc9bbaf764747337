using System.Collections.Immutable;
using Emma.Generator.Migration;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Diagnostics;

/// <summary>
/// Warns where an assembly has a heap take the place of <c>NativeMemory</c> by an alias, and a call reaches the base library's class all
/// the same: what one of them allocates, the other must not free.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class BypassedAliasAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = [DiagnosticDescriptors.AliasIsBypassed];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.EnableConcurrentExecution();

        // What other generators write, such as marshalling, takes memory from the base library on purpose
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.RegisterCompilationStartAction(static start =>
        {
            Lazy<NativeMemoryAliases> aliases = new(() => new NativeMemoryAliases(start.Compilation));
            start.RegisterSyntaxNodeAction(context => AnalyzeName(context, aliases), SyntaxKind.IdentifierName);
        });
    }

    private static void AnalyzeName(SyntaxNodeAnalysisContext context, Lazy<NativeMemoryAliases> aliases)
    {
        var name = (IdentifierNameSyntax)context.Node;
        if (!BaseLibraryMemory.NativeMemoryMethods.Contains(name.Identifier.ValueText)
            || name.IsPartOfStructuredTrivia()
            || aliases.Value.HeapMeantIn(name.SyntaxTree) is not INamedTypeSymbol heap
            || context.SemanticModel.GetSymbolInfo(name, context.CancellationToken).Symbol is not IMethodSymbol method
            || !BaseLibraryMemory.IsNativeMemory(method.ContainingType))
        {
            return;
        }

        SyntaxNode used = name.Parent is MemberAccessExpressionSyntax access && access.Name == name ? access : name;
        string heapName = heap.ToDisplayString();
        ImmutableDictionary<string, string?> properties =
            ImmutableDictionary<string, string?>.Empty.Add(DiagnosticProperties.Heaps, heapName);
        context.ReportDiagnostic(
            Diagnostic.Create(DiagnosticDescriptors.AliasIsBypassed, used.GetLocation(), properties, method.Name, heapName));
    }
}
