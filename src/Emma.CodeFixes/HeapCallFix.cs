using System.Collections.Immutable;
using System.Composition;
using Emma.Generator.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;

namespace Emma.CodeFixes;

/// <summary>
/// Has calls of <c>NativeMemory</c> go to a heap, one or all of them, and those of <c>Marshal</c> whose block is allocated and freed
/// within sight.
/// </summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(HeapCallFix))]
[Shared]
public sealed class HeapCallFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ["EMMA1001", "EMMA1009", "EMMA1010"];

    /// <inheritdoc/>
    public override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public override Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            if (diagnostic.Id == "EMMA1010" && !diagnostic.Properties.ContainsKey(DiagnosticProperties.IsPaired))
                continue;

            foreach (string heap in HeapsOf(diagnostic))
            {
                context.RegisterCodeFix(
                    CodeAction.Create(
                        $"Use '{heap}'",
                        token => HeapCall.UseAsync(context.Document, diagnostic.Location.SourceSpan, heap, comment: null, token),
                        equivalenceKey: $"{nameof(HeapCallFix)}:{heap}"),
                    diagnostic);
            }
        }

        return Task.CompletedTask;
    }

    internal static string[] HeapsOf(Diagnostic diagnostic) =>
        diagnostic.Properties.TryGetValue(DiagnosticProperties.Heaps, out string? heaps) && heaps is not null ? heaps.Split(';') : [];
}
