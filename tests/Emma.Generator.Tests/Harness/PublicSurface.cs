using Microsoft.CodeAnalysis;

namespace Emma.Generator.Tests.Harness;

/// <summary>The emitted API: what a user of the heap <c>MyHeap</c> sees.</summary>
internal static class PublicSurface
{
    private const SymbolDisplayMiscellaneousOptions NullabilityAndKeywords =
        SymbolDisplayMiscellaneousOptions.IncludeNullableReferenceTypeModifier | SymbolDisplayMiscellaneousOptions.UseSpecialTypes;

    /// <summary>All that the compiler can print of a declaration.</summary>
    private static readonly SymbolDisplayFormat s_declaration = new(
        SymbolDisplayGlobalNamespaceStyle.Omitted,
        SymbolDisplayTypeQualificationStyle.NameAndContainingTypesAndNamespaces,
        (SymbolDisplayGenericsOptions)0xFF,
        (SymbolDisplayMemberOptions)0xFF,
        SymbolDisplayDelegateStyle.NameAndSignature,
        SymbolDisplayExtensionMethodStyle.Default,
        (SymbolDisplayParameterOptions)0xFF,
        SymbolDisplayPropertyStyle.ShowReadWriteDescriptor,
        SymbolDisplayLocalOptions.None,
        SymbolDisplayKindOptions.IncludeTypeKeyword,
        NullabilityAndKeywords);

    /// <summary>What a user sees of a heap: its class, and all that is public in it, however deep.</summary>
    public static ISymbol[] Of(GeneratorOutput output)
    {
        List<ISymbol> members = [];
        Add(output.Compilation.GetTypeByMetadataName("MyHeap")!);
        return [.. members.OrderBy(Declaration, StringComparer.Ordinal)];

        void Add(INamedTypeSymbol type)
        {
            members.Add(type);
            foreach (ISymbol member in type.GetMembers().Where(IsVisible))
            {
                if (member is INamedTypeSymbol nested)
                    Add(nested);
                else
                    members.Add(member);
            }
        }
    }

    private static bool IsVisible(ISymbol member) =>
        member is { DeclaredAccessibility: Accessibility.Public, IsImplicitlyDeclared: false }
            and not IMethodSymbol { AssociatedSymbol: not null };

    /// <summary>The member as it is declared, with all that the compiler can print of it.</summary>
    public static string Declaration(ISymbol member) => member.ToDisplayString(s_declaration);
}
