using System.Collections.Immutable;
using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.CodeFixes;

/// <summary>Allows unsafe code in the project, where the editor can change that.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(UnsafeCodeFix))]
[Shared]
public sealed class UnsafeCodeFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ["EMMA0001"];

    /// <summary>There is one option for a project.</summary>
    public override FixAllProvider? GetFixAllProvider() => null;

    /// <inheritdoc/>
    public override Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        Project project = context.Document.Project;
        if (project.CompilationOptions is CSharpCompilationOptions options
            && project.Solution.Workspace.CanApplyChange(ApplyChangesKind.ChangeCompilationOptions))
        {
            context.RegisterCodeFix(
                CodeAction.Create(
                    "Allow unsafe code in this project",
                    _ => Task.FromResult(project.Solution.WithProjectCompilationOptions(project.Id, options.WithAllowUnsafe(true))),
                    equivalenceKey: nameof(UnsafeCodeFix)),
                context.Diagnostics);
        }

        return Task.CompletedTask;
    }
}
