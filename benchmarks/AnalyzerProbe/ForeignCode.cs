using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AnalyzerProbe;

// All C# below a folder, with its calls of NativeMemory and of Marshal's HGlobal methods given to a heap by a replacement of the text.
internal sealed partial class ForeignCode
{
    private const string Heap = "EmmaProbeHeap";

    // What the SDK would define and import.
    private static readonly CSharpParseOptions s_options = new(
        LanguageVersion.Preview,
        preprocessorSymbols: ["NET", "NETCOREAPP", "RELEASE", .. Enumerable.Range(5, 6).Select(version => $"NET{version}_0_OR_GREATER")]);

    private static readonly string s_heap =
        $"""
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        [assembly: Emma.EmmaAllocator("{Heap}")]
        """;

    private ForeignCode(CSharpCompilation compilation, int lines)
    {
        Compilation = compilation;
        Lines = lines;
    }

    internal CSharpCompilation Compilation { get; }

    internal int Lines { get; }

    internal static ForeignCode Read(string folder)
    {
        List<SyntaxTree> trees = [CSharpSyntaxTree.ParseText(s_heap, s_options, "heap.cs")];
        int lines = 0;
        foreach (string path in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
        {
            string text = File.ReadAllText(path);
            lines += text.Count(character => character == '\n');
            text = Marshal().Replace(NativeMemory().Replace(text, $"global::{Heap}."), $"global::{Heap}.$1");
            trees.Add(CSharpSyntaxTree.ParseText(text, s_options, path));
        }

        IEnumerable<string> platform = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => !path.StartsWith(AppContext.BaseDirectory, StringComparison.Ordinal));
        CSharpCompilationOptions options = new(
            OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, optimizationLevel: OptimizationLevel.Release,
            concurrentBuild: false, nullableContextOptions: NullableContextOptions.Enable);
        return new ForeignCode(
            CSharpCompilation.Create("Probe", trees, platform.Select(path => MetadataReference.CreateFromFile(path)), options), lines);
    }

    // How many calls reach the heap, and how many of them stand in members that compile, of which analyzers see all.
    internal (int All, int Clean) CountCalls(Compilation compilation)
    {
        int all = 0;
        int clean = 0;
        foreach (SyntaxTree tree in Compilation.SyntaxTrees.Where(tree => tree.ToString().Contains(Heap, StringComparison.Ordinal)))
        {
            SemanticModel model = compilation.GetSemanticModel(tree);
            foreach (InvocationExpressionSyntax call in tree.GetRoot().DescendantNodes().OfType<InvocationExpressionSyntax>())
            {
                if (model.GetSymbolInfo(call).Symbol?.ContainingType?.Name != Heap)
                    continue;

                all++;
                bool isClean = call.FirstAncestorOrSelf<MemberDeclarationSyntax>() is { } member
                    && model.GetDiagnostics(member.Span).All(diagnostic => diagnostic.Severity != DiagnosticSeverity.Error);
                clean += isClean ? 1 : 0;
            }
        }

        return (all, clean);
    }

    [GeneratedRegex(@"\b(?:System\.Runtime\.InteropServices\.)?NativeMemory\.")]
    private static partial Regex NativeMemory();

    [GeneratedRegex(@"\b(?:System\.Runtime\.InteropServices\.)?Marshal\.((?:Alloc|Free|ReAlloc)HGlobal)\b")]
    private static partial Regex Marshal();
}
