using System.Collections.Immutable;
using System.Composition;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.CodeFixes;

/// <summary>Gives a heap whose name is taken one that is free.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(HeapNameFix))]
[Shared]
public sealed class HeapNameFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ["EMMA0003", "EMMA0004"];

    /// <summary>Names depend on each other.</summary>
    public override FixAllProvider? GetFixAllProvider() => null;

    /// <inheritdoc/>
    public override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        SyntaxNode? root = await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false);
        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            if (!diagnostic.Properties.TryGetValue(DiagnosticProperties.Name, out string? name) || name is null
                || root?.FindNode(diagnostic.Location.SourceSpan, getInnermostNodeForTie: true) is not LiteralExpressionSyntax literal)
            {
                continue;
            }

            SyntaxNode renamed = root.ReplaceNode(
                literal,
                SyntaxFactory.LiteralExpression(SyntaxKind.StringLiteralExpression, SyntaxFactory.Literal(name)).WithTriviaFrom(literal));
            context.RegisterCodeFix(
                CodeAction.Create(
                    $"Name the heap '{name}'",
                    _ => Task.FromResult(context.Document.WithSyntaxRoot(renamed)),
                    equivalenceKey: nameof(HeapNameFix)),
                diagnostic);
        }
    }
}
