using System.Collections.Immutable;
using Emma.Generator.Model;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Emma.Generator.Diagnostics;

/// <summary>Says at the attribute why its heap is not emitted, and where the heap could not run.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class AllocatorAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } =
    [
        DiagnosticDescriptors.UnsafeCodeIsOff,
        DiagnosticDescriptors.InvalidName,
        DiagnosticDescriptors.DuplicateName,
        DiagnosticDescriptors.NameCollides,
        DiagnosticDescriptors.OptionOutOfRange,
        DiagnosticDescriptors.UnsupportedPlatform,
        DiagnosticDescriptors.LanguageIsTooOld,
        DiagnosticDescriptors.FrameworkIsTooOld,
        DiagnosticDescriptors.LimitIsTooSmall,
        DiagnosticDescriptors.OptionHasNoEffect,
        DiagnosticDescriptors.NameOfBaseLibrary,
    ];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.EnableConcurrentExecution();

        // The attribute may stand in a file that MSBuild wrote from an AssemblyAttribute item
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.Analyze | GeneratedCodeAnalysisFlags.ReportDiagnostics);
        context.RegisterSyntaxNodeAction(AnalyzeAttribute, SyntaxKind.Attribute);
    }

    private static void AnalyzeAttribute(SyntaxNodeAnalysisContext context)
    {
        var attribute = (AttributeSyntax)context.Node;
        if (attribute.Parent is not AttributeListSyntax { Parent: CompilationUnitSyntax }
            || !HeapRequest.IsMarker(context.SemanticModel.GetTypeInfo(attribute, context.CancellationToken).Type as INamedTypeSymbol))
        {
            return;
        }

        ImmutableArray<HeapRequest> all = HeapRequest.AllIn(context.Compilation, context.CancellationToken);
        HeapRequest? request = all.FirstOrDefault(request => request.Syntax == attribute);
        if (request is null)
            return;

        Diagnostic? nameError = HeapRules.NameError(request, all, context.Compilation);
        if (nameError is not null)
            context.ReportDiagnostic(nameError);
        ImmutableArray<Diagnostic> errors = [.. HeapRules.OtherErrors(request, context.Compilation)];
        foreach (Diagnostic error in errors)
            context.ReportDiagnostic(error);
        if (!HeapRules.HasNet8(context.Compilation))
        {
            // The options have no effect there, and the platform does not matter
            if (nameError is null && errors.IsEmpty)
                context.ReportDiagnostic(HeapRules.Absences(request, context.Compilation));
            return;
        }

        foreach (Diagnostic doubt in HeapRules.Doubts(request, context.Compilation))
            context.ReportDiagnostic(doubt);

        AnalyzerConfigOptions buildProperties = context.Options.AnalyzerConfigOptionsProvider.GlobalOptions;
        if (Platform.WhyNotSupported(context.Compilation, buildProperties) is string why)
            context.ReportDiagnostic(Diagnostic.Create(DiagnosticDescriptors.UnsupportedPlatform, request.NameLocation, request.Name, why));
    }
}
