using Emma.Generator.Emission;
using Microsoft.CodeAnalysis;

namespace Emma.Generator.Diagnostics;

// Tells the classes that the generator wrote, in this assembly or in another.
internal static class EmittedHeap
{
    public static bool Is(INamedTypeSymbol type) =>
        type.GetAttributes().Any(static attribute =>
            attribute.AttributeClass is { Name: "GeneratedCodeAttribute" }
            && attribute.ConstructorArguments.FirstOrDefault().Value is HeapEmitter.ToolName);
}
