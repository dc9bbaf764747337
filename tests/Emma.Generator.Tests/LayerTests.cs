using Emma.Generator.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Emma.Generator.Tests;

/// <summary>
/// The layers of the templates know those beneath them only. An arrow is a name that a file uses and that another folder declares.
/// </summary>
public class LayerTests
{
    private const string FrontPage = "Root";

    /// <summary>From the bottom up, as Root.cs lists them.</summary>
    private static readonly string[] s_layers =
        ["Policy", "Kernel", "AddressSpace", "Segments", "Slabs", "Caching", "Lifetime", "Blocks", "Api", "Managed"];

    [Fact]
    public void No_layer_names_what_is_above_it_but_for_those_listed_here()
    {
        Dictionary<string, string> homes = Declarations();
        SortedSet<string> upwards = new(StringComparer.Ordinal);
        foreach ((string path, string text) in Repository.Templates())
        {
            string layer = LayerOf(path);
            if (layer == FrontPage)
                continue;

            foreach (string name in NamesUsedIn(text))
            {
                if (homes.TryGetValue(name, out string? home) && home != FrontPage && RankOf(home) > RankOf(layer))
                    upwards.Add($"{path}: {home}'s {name}");
            }
        }

        Assert.Equal<string[]>(
            [
                // They compile all of the heap before it runs.
                "Kernel/Compilation.cs: Api's HeapStatistics",
                "Kernel/Compilation.cs: Api's LocalHeap",
                "Kernel/Compilation.cs: Managed's ManagedTypes",
                // It keeps what a host may call from being trimmed away.
                "Lifetime/ModuleInitializer.cs: Api's HostEntry",
            ],
            [.. upwards]);
    }

    /// <summary>The kernel layer alone knows a system, a processor, their calls and the base library's names for them.</summary>
    [Fact]
    public void No_layer_above_the_kernel_names_a_system_a_processor_or_a_call_but_for_those_listed_here()
    {
        string[] names =
        [
            "X64", "CallNumber", "Invoke", "Syscalls", "WindowsKernel", "DarwinKernel", "ClrArchitecture", "ClrRuntimeInformation",
            "ClrOperatingSystem",
        ];
        SortedSet<string> uses = new(StringComparer.Ordinal);
        foreach ((string path, string text) in Repository.Templates())
        {
            if (LayerOf(path) == "Kernel")
                continue;

            foreach (SimpleNameSyntax name in CSharpSyntaxTree.ParseText(text).GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
            {
                if (names.Contains(name.Identifier.ValueText))
                    uses.Add($"{path}: {name.Identifier.ValueText}");
            }

            if (text.Contains("x86", StringComparison.OrdinalIgnoreCase) || text.Contains("glibc", StringComparison.Ordinal))
                uses.Add($"{path}: in words");
        }

        Assert.Equal<string[]>(
            [
                // The fast paths in machine code, which know how a cache lies in memory, why they are used, and the word that they read.
                "Caching/Cached/FastPathCode.cs: in words",
                "Caching/Cached/SmallBlocks.cs: in words",
                "Caching/Cached/ThreadWord.cs: in words",
                // A byte of the machine code that C calls.
                "Managed/CEntryCode.cs: in words",
            ],
            [.. uses]);
    }

    [Fact]
    public void Every_folder_is_a_layer_that_the_front_page_lists()
    {
        string[] folders = [.. Repository.Templates().Keys.Select(LayerOf).Distinct().Where(layer => layer != FrontPage)];
        Assert.Equal(s_layers.Order(StringComparer.Ordinal), folders.Order(StringComparer.Ordinal));

        string page = Repository.Templates()["Root.cs"];
        int[] places = [.. s_layers.Select(layer => page.IndexOf($"//   {layer} ", StringComparison.Ordinal))];
        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
    }

    [Fact]
    public void The_folders_of_a_layer_are_named_after_forms() =>
        Assert.All(
            Repository.Templates().Keys.Select(path => path.Split('/')).Where(parts => parts.Length > 2),
            parts => Assert.Contains(parts[1], (string[])["Cached", "Locked", "Plain", "Hardened"]));

    [Fact]
    public void The_table_in_the_architecture_page_says_which_file_is_in_which_form()
    {
        string[] columns = ["", "Cached", "Locked", "Plain", "Hardened"];
        string[] rows =
        [
            .. s_layers.Select(layer => $"| {layer} | " + string.Join(" | ", columns.Select(form => FilesIn(layer, form))) + " |")
                .Select(Squeeze),
        ];

        string[] page = [.. File.ReadAllLines(Repository.Path("docs", "architecture.md")).Select(Squeeze)];
        Assert.All(rows, row => Assert.Contains(row, page));

        static string Squeeze(string line) => line.Replace(" ", "", StringComparison.Ordinal);
    }

    private static string FilesIn(string layer, string form)
    {
        string folder = form.Length == 0 ? $"{layer}/" : $"{layer}/{form}/";
        return string.Join(", ", Repository.Templates().Keys
            .Where(path => path.StartsWith(folder, StringComparison.Ordinal) && !path[folder.Length..].Contains('/'))
            .Select(path => Path.GetFileNameWithoutExtension(path)));
    }

    private static string LayerOf(string path) => path.Contains('/') ? path[..path.IndexOf('/')] : FrontPage;

    private static int RankOf(string layer) => Array.IndexOf(s_layers, layer);

    /// <summary>The folder of each type, and of each member that the heap's classes have themselves.</summary>
    private static Dictionary<string, string> Declarations()
    {
        Dictionary<string, string> homes = new(StringComparer.Ordinal);
        foreach ((string path, string text) in Repository.Templates())
        {
            foreach (MemberDeclarationSyntax member in MembersOfHeap(text))
            {
                foreach (string name in NamesOf(member))
                {
                    // A partial type is of the lowest layer that declares a part of it; of an overloaded method as well.
                    string layer = LayerOf(path);
                    if (!homes.TryGetValue(name, out string? other) || RankOf(layer) < RankOf(other))
                        homes[name] = layer;
                }
            }
        }

        return homes;
    }

    private static IEnumerable<MemberDeclarationSyntax> MembersOfHeap(string text)
    {
        ClassDeclarationSyntax heap = CSharpSyntaxTree.ParseText(text).GetRoot().DescendantNodes().OfType<ClassDeclarationSyntax>().First();
        foreach (MemberDeclarationSyntax member in heap.Members)
        {
            if (member is ClassDeclarationSyntax { Identifier.ValueText: "HeapInternals" } inner)
            {
                foreach (MemberDeclarationSyntax part in inner.Members)
                    yield return part;
            }
            else
            {
                yield return member;
            }
        }
    }

    private static IEnumerable<string> NamesOf(MemberDeclarationSyntax member) => member switch
    {
        BaseTypeDeclarationSyntax type => [type.Identifier.ValueText],
        MethodDeclarationSyntax method => [method.Identifier.ValueText],
        BaseFieldDeclarationSyntax field => field.Declaration.Variables.Select(variable => variable.Identifier.ValueText),
        _ => [],
    };

    /// <summary>Names that stand alone; for a part of the heap (`Segments`), the type of what lies there.</summary>
    private static IEnumerable<string> NamesUsedIn(string text)
    {
        Dictionary<string, string> parts = PartsOfHeap();
        SyntaxNode root = CSharpSyntaxTree.ParseText(text).GetRoot();
        HashSet<string> own = [.. root.DescendantNodes().Select(OwnName).OfType<string>()];
        foreach (SimpleNameSyntax node in root.DescendantNodes().OfType<SimpleNameSyntax>())
        {
            string name = node.Identifier.ValueText;
            bool isMember = node.Parent is MemberAccessExpressionSyntax access && access.Name == node;
            if (!isMember && !own.Contains(name))
                yield return parts.GetValueOrDefault(name, name);
        }
    }

    /// <summary>What a file declares within its types: members and variables that hide a name of another layer's.</summary>
    private static string? OwnName(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax method => method.Identifier.ValueText,
        PropertyDeclarationSyntax property => property.Identifier.ValueText,
        VariableDeclaratorSyntax variable => variable.Identifier.ValueText,
        ParameterSyntax parameter => parameter.Identifier.ValueText,
        _ => null,
    };

    /// <summary>The addresses that the front page gives of the heap's parts, and their types.</summary>
    private static Dictionary<string, string> PartsOfHeap() =>
        CSharpSyntaxTree.ParseText(Repository.Templates()["Root.cs"]).GetRoot().DescendantNodes()
            .OfType<FieldDeclarationSyntax>()
            .Where(field => field.Declaration.Type is PointerTypeSyntax)
            .ToDictionary(
                field => field.Declaration.Variables[0].Identifier.ValueText,
                field => ((PointerTypeSyntax)field.Declaration.Type).ElementType.ToString());
}
