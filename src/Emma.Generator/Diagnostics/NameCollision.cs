using System.Collections.Immutable;
using Emma.Generator.Model;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Diagnostics;

// Finds what else in a compilation has the name that a heap asks for.
internal static class NameCollision
{
    // What collides with a heap of that name, as the end of a sentence; null where nothing does.
    public static string? Find(string name, ImmutableArray<HeapRequest> all, Compilation compilation)
    {
        HeapRequest? inside = all.FirstOrDefault(other =>
            other.Name.StartsWith(name + ".", StringComparison.Ordinal) && HeapName.WhyInvalid(other.Name) is null);
        if (inside is not null)
            return $"it is the namespace of the heap '{inside.Name}'";

        string[] parts = name.Split('.');
        if (NamespaceNamed(compilation.GlobalNamespace, parts) is not null)
            return "a namespace in this project or in one of its references has that name";

        INamespaceSymbol? current = compilation.Assembly.GlobalNamespace;
        for (int i = 0; i < parts.Length - 1; i++)
        {
            if (TypeIn(current, parts[i]) is INamedTypeSymbol outer)
                return $"its namespace '{outer.ToDisplayString()}' is a type in this project";

            current = NamespaceIn(current, parts[i]);
            if (current is null)
                return null;
        }

        string last = parts[parts.Length - 1];
        if (TypeIn(current, last) is INamedTypeSymbol type && !IsPartOfHeap(type))
            return "a type in this project has that name; only a 'static partial class' can be a part of the heap";
        return null;
    }

    // The namespace of that name; null where there is none.
    public static INamespaceSymbol? NamespaceNamed(INamespaceSymbol root, string[] parts)
    {
        INamespaceSymbol? current = root;
        for (int i = 0; i < parts.Length && current is not null; i++)
            current = NamespaceIn(current, parts[i]);
        return current;
    }

    private static INamespaceSymbol? NamespaceIn(INamespaceSymbol container, string name) =>
        container.GetNamespaceMembers().FirstOrDefault(member => member.Name == name);

    // A generic type and one that is local to a file can stand beside another type of the same name
    private static INamedTypeSymbol? TypeIn(INamespaceSymbol container, string name) =>
        container.GetTypeMembers(name, arity: 0).FirstOrDefault(static type => !type.IsFileLocal);

    // In the analyzer's compilation the type has the emitted parts as well, which pass the test
    private static bool IsPartOfHeap(INamedTypeSymbol type) =>
        type is { TypeKind: TypeKind.Class, IsStatic: true }
        && type.DeclaringSyntaxReferences.All(static part =>
            part.GetSyntax() is ClassDeclarationSyntax declaration && declaration.Modifiers.Any(SyntaxKind.PartialKeyword));
}
