using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Emission;

// The names that a heap's class cannot have because its own text declares them: its public members and types (a member named like its class
// is CS0542), the class that holds all else, and the aliases beside it (CS0576). They are read from the templates, so they cannot go stale.
internal static class TemplateNames
{
    private static readonly Lazy<HashSet<string>> s_names = new(Collect);

    // Whether a heap's text declares the name. Templates are parsed only for a name that occurs in them at all.
    public static bool Contains(string name) =>
        Template.All.Any(template => template.Text.Contains(name)) && s_names.Value.Contains(name);

    // All of them.
    public static IReadOnlyCollection<string> All => s_names.Value;

    private static HashSet<string> Collect()
    {
        HashSet<string> names = [];
        foreach (Template template in Template.All)
        {
            SyntaxNode root = CSharpSyntaxTree.ParseText(template.Text).GetRoot();
            foreach (SyntaxNode node in root.DescendantNodes(static node => node is not TypeDeclarationSyntax))
            {
                if (node is UsingDirectiveSyntax { Alias: NameEqualsSyntax alias })
                    names.Add(alias.Name.Identifier.ValueText);
                else if (node is ClassDeclarationSyntax heap)
                    names.UnionWith(heap.Members.SelectMany(DeclaredNames));
            }
        }

        return names;
    }

    private static IEnumerable<string> DeclaredNames(MemberDeclarationSyntax member) => member switch
    {
        BaseTypeDeclarationSyntax type => [type.Identifier.ValueText],
        DelegateDeclarationSyntax type => [type.Identifier.ValueText],
        MethodDeclarationSyntax method => [method.Identifier.ValueText],
        PropertyDeclarationSyntax property => [property.Identifier.ValueText],
        EventDeclarationSyntax @event => [@event.Identifier.ValueText],
        BaseFieldDeclarationSyntax field => field.Declaration.Variables.Select(static variable => variable.Identifier.ValueText),
        _ => [],
    };
}
