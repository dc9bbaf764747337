using System.Collections.Immutable;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.FlowAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace Emma.Generator.Misuse;

/// <summary>
/// Warns where a method certainly misuses a heap: a block that is dropped, freed twice, freed by another allocator, used when it is gone,
/// or never freed. It looks at one method at a time, and is silent where it is not sure.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class MisuseAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } =
    [
        DiagnosticDescriptors.ResultDropped,
        DiagnosticDescriptors.FreedElsewhere,
        DiagnosticDescriptors.FreedTwice,
        DiagnosticDescriptors.UsedAfterFree,
        DiagnosticDescriptors.NotAllocated,
        DiagnosticDescriptors.NeverFreed,
        DiagnosticDescriptors.UsedAfterDestroy,
    ];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.EnableConcurrentExecution();
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.RegisterCompilationStartAction(static start =>
        {
            Lazy<bool> destroys = new(() => IsAnythingDestroyed(start.Compilation, start.CancellationToken));
            start.RegisterCodeBlockAction(context => AnalyzeBlock(context, destroys));
        });
    }

    private static void AnalyzeBlock(CodeBlockAnalysisContext context, Lazy<bool> destroys)
    {
        // The attributes of a type or of the assembly are a block with all that stands beneath them
        if (context.OwningSymbol is INamespaceOrTypeSymbol or IAssemblySymbol)
            return;

        // Names first, then what they mean: all else is for the few methods that call a heap
        bool hasCall = false;
        bool hasEnd = false;
        foreach (SyntaxNode node in context.CodeBlock.DescendantNodes())
        {
            if (node is not SimpleNameSyntax name)
                continue;

            hasEnd |= AllocatorCall.MayEndBlock(name.Identifier.ValueText);
            if (AllocatorCall.MayBeOfHeap(name.Identifier.ValueText)
                && context.SemanticModel.GetSymbolInfo(name, context.CancellationToken).Symbol is IMethodSymbol method
                && AllocatorCall.IsOfHeap(method))
            {
                hasCall = true;
                if (AllocatorCall.Allocates(method))
                    CheckResult(context, name);
            }
        }

        if (!hasCall || RootOf(context) is not IOperation root)
            return;

        BlockVariables variables = new(root, context.OwningSymbol);
        if (!hasEnd && !variables.Kept.Any())
            return;

        ControlFlowGraph? graph = root switch
        {
            IMethodBodyOperation body => ControlFlowGraph.Create(body, context.CancellationToken),
            IConstructorBodyOperation body => ControlFlowGraph.Create(body, context.CancellationToken),
            IBlockOperation { Parent: null } body => ControlFlowGraph.Create(body, context.CancellationToken),
            IFieldInitializerOperation initializer => ControlFlowGraph.Create(initializer, context.CancellationToken),
            IPropertyInitializerOperation initializer => ControlFlowGraph.Create(initializer, context.CancellationToken),
            _ => null,
        };
        if (graph is null)
            return;

        if (hasEnd)
            BlockFlow.Analyze(graph, variables, context.ReportDiagnostic, context.CancellationToken);
        if (graph.Blocks[graph.Blocks.Length - 1].IsReachable && !IsEntryPoint(context))
            CheckLeaks(context, variables, destroys);
    }

    // The operation of a whole method, accessor or initializer.
    private static IOperation? RootOf(CodeBlockAnalysisContext context)
    {
        IOperation? operation = context.SemanticModel.GetOperation(context.CodeBlock, context.CancellationToken);
        if (operation is null)
        {
            // A property's expression; what a field or a property begins with
            SyntaxNode? value = context.CodeBlock.DescendantNodes().FirstOrDefault(static node =>
                node is ArrowExpressionClauseSyntax or EqualsValueClauseSyntax { Parent: not ParameterSyntax });
            operation = value is null ? null : context.SemanticModel.GetOperation(value, context.CancellationToken);
        }

        return operation?.Parent is null ? operation : null;
    }

    // Where the result of a call that allocates goes nowhere. What is expected to throw has no result.
    private static void CheckResult(CodeBlockAnalysisContext context, SimpleNameSyntax name)
    {
        ExpressionSyntax callee = name.Parent is MemberAccessExpressionSyntax access && access.Name == name ? access : name;
        if (callee.Parent is not InvocationExpressionSyntax { Parent: ExpressionStatementSyntax statement } || MayBeMeantToThrow(statement))
            return;

        context.ReportDiagnostic(Diagnostic.Create(DiagnosticDescriptors.ResultDropped, callee.GetLocation(), callee.ToString()));
    }

    private static bool MayBeMeantToThrow(SyntaxNode statement)
    {
        foreach (SyntaxNode outer in statement.Ancestors())
        {
            switch (outer)
            {
                case TryStatementSyntax { Catches.Count: > 0 } attempt when attempt.Block.Span.Contains(statement.Span):
                case AnonymousFunctionExpressionSyntax { Block.Statements.Count: 1 }:
                    return true;
                case MemberDeclarationSyntax or AnonymousFunctionExpressionSyntax or LocalFunctionStatementSyntax:
                    return false;
            }
        }

        return false;
    }

    private static void CheckLeaks(CodeBlockAnalysisContext context, BlockVariables variables, Lazy<bool> destroys)
    {
        foreach ((ISymbol _, IInvocationOperation call) in variables.Kept)
        {
            IMethodSymbol method = call.TargetMethod;
            if (!AllocatorCall.Allocates(method) || IsKnownElsewhere(AllocatorCall.HeapOf(method.ContainingType)!, context)
                || destroys.Value)
            {
                continue;
            }

            ExpressionSyntax callee = ((InvocationExpressionSyntax)call.Syntax).Expression;
            context.ReportDiagnostic(Diagnostic.Create(DiagnosticDescriptors.NeverFreed, callee.GetLocation(), callee.ToString()));
        }
    }

    // Another assembly may destroy such a heap, and all its blocks with it.
    private static bool IsKnownElsewhere(INamedTypeSymbol heap, CodeBlockAnalysisContext context) =>
        heap.DeclaredAccessibility == Accessibility.Public
        || !SymbolEqualityComparer.Default.Equals(heap.ContainingAssembly, context.SemanticModel.Compilation.Assembly);

    private static bool IsEntryPoint(CodeBlockAnalysisContext context) =>
        SymbolEqualityComparer.Default.Equals(
            context.SemanticModel.Compilation.GetEntryPoint(context.CancellationToken), context.OwningSymbol);

    // Whether code of this assembly frees every block of a heap at once: then one that nobody frees may be meant so.
    private static bool IsAnythingDestroyed(Compilation compilation, CancellationToken token)
    {
        foreach (SyntaxTree file in compilation.SyntaxTrees)
        {
            // What the generator writes is large, and calls no heap
            if (file.FilePath.Contains(typeof(EmmaGenerator).FullName!))
                continue;

            foreach (SyntaxNode node in file.GetRoot(token).DescendantNodes())
            {
                if (node is IdentifierNameSyntax { Identifier.ValueText: "Destroy" })
                    return true;
            }
        }

        return false;
    }
}
