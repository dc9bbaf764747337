using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Diagnostics;

// Where an assembly says that NativeMemory is a heap: `global using NativeMemory = MyHeap;`, the same for one file or namespace, or a heap
// of that very name.
internal sealed class NativeMemoryAliases
{
    private const string Name = "NativeMemory";

    private readonly Dictionary<SyntaxTree, INamedTypeSymbol> _files = [];

    // What NativeMemory means where no file says otherwise; the first heap that it means anywhere.
    private readonly INamedTypeSymbol? _elsewhere;

    public NativeMemoryAliases(Compilation compilation)
    {
        INamedTypeSymbol? everywhere = compilation.GetTypesByMetadataName(Name).FirstOrDefault(EmittedHeap.Is);
        INamedTypeSymbol? first = null;
        foreach (SyntaxTree file in compilation.SyntaxTrees)
        {
            foreach (UsingDirectiveSyntax directive in AliasesIn(file))
            {
                if (HeapOf(directive, compilation) is not INamedTypeSymbol heap)
                    continue;

                first ??= heap;
                if (directive.GlobalKeyword.IsKind(SyntaxKind.GlobalKeyword))
                    everywhere ??= heap;
                else if (!_files.ContainsKey(file))
                    _files.Add(file, heap);
            }
        }

        _elsewhere = everywhere ?? first;
    }

    // The heap that is meant by NativeMemory in a file, or else in another one of the assembly; null where it is none anywhere.
    public INamedTypeSymbol? HeapMeantIn(SyntaxTree file) => _files.TryGetValue(file, out INamedTypeSymbol? heap) ? heap : _elsewhere;

    private static IEnumerable<UsingDirectiveSyntax> AliasesIn(SyntaxTree file) =>
        file.GetRoot()
            .DescendantNodes(static node => node is CompilationUnitSyntax or BaseNamespaceDeclarationSyntax)
            .OfType<UsingDirectiveSyntax>()
            .Where(static directive => directive.Alias?.Name.Identifier.ValueText == Name);

    // What a directive means depends on its surroundings, which may be another file than the one that is analyzed; there are few of them.
#pragma warning disable RS1030
    private static INamedTypeSymbol? HeapOf(UsingDirectiveSyntax directive, Compilation compilation) =>
        compilation.GetSemanticModel(directive.SyntaxTree).GetDeclaredSymbol(directive)?.Target is INamedTypeSymbol type
            && EmittedHeap.Is(type)
            ? type
            : null;
#pragma warning restore RS1030
}
