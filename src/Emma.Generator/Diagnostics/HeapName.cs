using System.Globalization;
using System.Text;
using Emma.Generator.Emission;
using Microsoft.CodeAnalysis.CSharp;

namespace Emma.Generator.Diagnostics;

// Which texts can be the full name of a heap's class, whatever else the compilation declares.
internal static class HeapName
{
    private const int MaxBytes = 400;

    // Contextual keywords that the compiler treats as plain identifiers and recognizes while binding, and those of later languages
    private static readonly HashSet<string> s_furtherKeywords =
        ["dynamic", "extension", "field", "nint", "notnull", "nuint", "union", "var"];

    // Why the name cannot be a heap's, as the end of a sentence; null for a valid name.
    public static string? WhyInvalid(string name)
    {
        if (name.Length == 0)
            return "it is empty";

        if (!IsShortEnough(name))
            return $"it is longer than {MaxBytes} bytes";

        string[] parts = name.Split('.');
        foreach (string part in parts)
        {
            if (!IsIdentifier(part))
                return $"'{part}' is not an identifier";
            if (IsKeyword(part))
                return $"'{part}' is a keyword of C#";
        }

        if (parts[0] == "System")
            return "'System' belongs to the base library";

        string className = ClassName(name);
        if (TemplateNames.Contains(className))
            return $"the heap has a member or an alias named '{className}' itself";

        return null;
    }

    // Metadata holds names of 1023 bytes, and those of nested types and of the emitted files are longer than the heap's.
    public static bool IsShortEnough(string name) => Encoding.UTF8.GetByteCount(name) <= MaxBytes;

    // What stands before the last dot, empty for the global namespace.
    public static string Namespace(string name) => name.Substring(0, Math.Max(0, name.LastIndexOf('.')));

    // What stands behind the last dot.
    public static string ClassName(string name) => name.Substring(name.LastIndexOf('.') + 1);

    // Formatting characters are allowed in an identifier but are no part of it: two names may be one and look different.
    public static bool IsIdentifier(string part) =>
        SyntaxFacts.IsValidIdentifier(part)
        && part.All(static c => CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.Format);

    private static bool IsKeyword(string part) =>
        SyntaxFacts.GetKeywordKind(part) != SyntaxKind.None
        || SyntaxFacts.GetContextualKeywordKind(part) != SyntaxKind.None
        || s_furtherKeywords.Contains(part);
}
