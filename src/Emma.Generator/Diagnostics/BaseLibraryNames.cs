using Microsoft.CodeAnalysis;

namespace Emma.Generator.Diagnostics;

// Finds the type of the base library that a heap in the global namespace is easily mistaken for: its simple name means the heap wherever
// the type is known by an import only.
internal static class BaseLibraryNames
{
    // The namespaces that ImplicitUsings imports.
    private static readonly string[] s_imported =
    [
        "System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading", "System.Threading.Tasks",
    ];

    // The public type of that simple name, of any arity; null where there is none, and for a name with a namespace.
    public static INamedTypeSymbol? Find(string name, Compilation compilation) =>
        name.Contains(".")
            ? null
            : s_imported
                .Select(imported => NameCollision.NamespaceNamed(compilation.GlobalNamespace, imported.Split('.')))
                .SelectMany(found => found?.GetTypeMembers(name) ?? [])
                .Where(type => type.DeclaredAccessibility == Accessibility.Public
                    && !SymbolEqualityComparer.Default.Equals(type.ContainingAssembly, compilation.Assembly))
                .OrderBy(static type => type.Arity)
                .FirstOrDefault();
}
