using Emma.Generator.Emission;
using Microsoft.CodeAnalysis.Text;

namespace Emma.Generator;

// The attribute that asks for a heap, as it is written into every compilation.
internal static class MarkerAttribute
{
    public const string MetadataName = "Emma.EmmaAllocatorAttribute";

    public const string HintName = "EmmaAllocatorAttribute.g.cs";

    public static SourceText Text { get; } =
        EmittedText.From(Resources.Read("EmmaAllocatorAttribute.cs").Replace("{version}", HeapEmitter.ToolVersion));
}
