using System.Text;
using Microsoft.CodeAnalysis.Text;

namespace Emma.Generator.Emission;

// Makes source texts that the compiler can embed into the debug symbols: they have an encoding.
internal static class EmittedText
{
    public static SourceText From(string text) => SourceText.From(text, Encoding.UTF8, SourceHashAlgorithm.Sha256);
}
