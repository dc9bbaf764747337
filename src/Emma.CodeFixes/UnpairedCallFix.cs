using System.Collections.Immutable;
using System.Composition;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;

namespace Emma.CodeFixes;

/// <summary>
/// Has a call of <c>Marshal</c> go to a heap whose other end is out of sight: one at a time, with a comment that says what to look for.
/// </summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(UnpairedCallFix))]
[Shared]
public sealed class UnpairedCallFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ["EMMA1010"];

    /// <summary>Each one has to be looked at.</summary>
    public override FixAllProvider? GetFixAllProvider() => null;

    /// <inheritdoc/>
    public override Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            if (diagnostic.Properties.ContainsKey(DiagnosticProperties.IsPaired))
                continue;

            foreach (string heap in HeapCallFix.HeapsOf(diagnostic))
            {
                string comment = $"// Every allocation and every free of this block has to be one of {heap}.";
                context.RegisterCodeFix(
                    CodeAction.Create(
                        $"Use '{heap}', whoever else has the block",
                        token => HeapCall.UseAsync(context.Document, diagnostic.Location.SourceSpan, heap, comment, token),
                        equivalenceKey: $"{nameof(UnpairedCallFix)}:{heap}"),
                    diagnostic);
            }
        }

        return Task.CompletedTask;
    }
}
