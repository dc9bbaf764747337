using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace Emma.CodeFixes;

// Turns a call of the base library into one of a heap.
internal static class HeapCall
{
    // comment: what stands before the call's statement, if anything.
    public static async Task<Document> UseAsync(Document document, TextSpan span, string heap, string? comment, CancellationToken token)
    {
        SyntaxNode? root = await document.GetSyntaxRootAsync(token).ConfigureAwait(false);
        SemanticModel? model = await document.GetSemanticModelAsync(token).ConfigureAwait(false);
        if (root is null || model is null || root.FindNode(span, getInnermostNodeForTie: true) is not ExpressionSyntax called)
            return document;

        SimpleNameSyntax? method = (called as MemberAccessExpressionSyntax)?.Name ?? called as SimpleNameSyntax;
        if (method is null)
            return document;

        ExpressionSyntax replacement = SyntaxFactory
            .MemberAccessExpression(
                SyntaxKind.SimpleMemberAccessExpression,
                SyntaxFactory.ParseExpression(NameAt(called.SpanStart, heap, model)),
                method.WithoutTrivia())
            .WithTriviaFrom(called);
        if (comment is null)
            return document.WithSyntaxRoot(root.ReplaceNode(called, replacement));

        SyntaxNode statement = called.Ancestors().First(static node => node is StatementSyntax or MemberDeclarationSyntax);
        SyntaxNode changed = statement.ReplaceNode(called, replacement);
        return document.WithSyntaxRoot(root.ReplaceNode(statement, WithComment(changed, comment)));
    }

    // The heap's full name, unless that means something else there.
    private static string NameAt(int position, string heap, SemanticModel model)
    {
        ITypeSymbol? meant = model
            .GetSpeculativeTypeInfo(position, SyntaxFactory.ParseTypeName(heap), SpeculativeBindingOption.BindAsTypeOrNamespace)
            .Type;
        return meant is not null && meant.ToDisplayString() == heap
            && SymbolEqualityComparer.Default.Equals(meant.ContainingAssembly, model.Compilation.Assembly)
            ? heap
            : $"global::{heap}";
    }

    private static SyntaxNode WithComment(SyntaxNode statement, string comment)
    {
        SyntaxTriviaList leading = statement.GetLeadingTrivia();
        SyntaxTrivia indentation = leading.LastOrDefault();
        SyntaxTriviaList commented = leading.Add(SyntaxFactory.Comment(comment)).Add(SyntaxFactory.ElasticCarriageReturnLineFeed);
        return statement.WithLeadingTrivia(
            indentation.IsKind(SyntaxKind.WhitespaceTrivia) ? commented.Add(indentation) : commented);
    }
}
