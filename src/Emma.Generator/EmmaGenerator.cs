using Emma.Generator.Emission;
using Emma.Generator.Model;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator;

/// <summary>Writes a complete allocator into the compilation for each <c>[assembly: EmmaAllocator("Name.Of.Heap")]</c>.</summary>
[Generator(LanguageNames.CSharp)]
public sealed class EmmaGenerator : IIncrementalGenerator
{
    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        context.RegisterPostInitializationOutput(static context =>
        {
            context.AddEmbeddedAttributeDefinition();
            context.AddSource(MarkerAttribute.HintName, MarkerAttribute.Text);
        });

        // The heaps that one file asks for, in source order. This step runs again for every compilation,
        // because a name may collide with anything declared anywhere; it is cheap, and the steps below see only what it changes
        IncrementalValuesProvider<EquatableArray<Heap>> files = context.SyntaxProvider
            .ForAttributeWithMetadataName(
                MarkerAttribute.MetadataName,
                static (node, _) => node is CompilationUnitSyntax,
                static (context, token) => HeapRequest.HeapsIn(context.SemanticModel.Compilation, context.TargetNode.SyntaxTree, token))
            .WithTrackingName(TrackingNames.Files);

        // One heap each, so that an edit of one leaves the others' output cached
        IncrementalValuesProvider<Heap> heaps = files
            .SelectMany(static (heaps, _) => heaps.Items)
            .WithTrackingName(TrackingNames.Heaps);

        context.RegisterSourceOutput(heaps, HeapEmitter.Emit);
    }
}
