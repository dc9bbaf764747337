using System.Collections.Immutable;
using Emma.Generator.Model;

namespace Emma.Generator.Emission;

// A file of the allocator, as it stands in the templates' project, cut open at the two places where an emitted file differs from it: the
// namespace line and the name of the class. Neither placeholder occurs anywhere else.
internal sealed class Template
{
    private const string ResourcePrefix = "Emma/";
    private const string NamespaceLine = "namespace Emma.Templates;";
    private const string ClassLine = "static unsafe partial class EmmaHeap";

    private static readonly Lazy<ImmutableArray<Template>> s_all = new(static () =>
        [.. Resources.Names(ResourcePrefix).Select(static name => new Template(name))]);

    private readonly string _beforeNamespace;
    private readonly string _beforeClassName;
    private readonly string _afterClassName;

    private Template(string resource)
    {
        string text = Resources.Read(resource);
        int namespaceLine = text.IndexOf(NamespaceLine, StringComparison.Ordinal);
        int classLine = text.IndexOf(ClassLine, StringComparison.Ordinal);
        int afterClassName = classLine + ClassLine.Length;
        int className = text.LastIndexOf(' ', afterClassName) + 1;

        Text = text;
        Path = System.IO.Path.ChangeExtension(resource.Substring(ResourcePrefix.Length), null);
        _beforeNamespace = text.Substring(0, namespaceLine);
        _beforeClassName = text.Substring(namespaceLine + NamespaceLine.Length, className - namespaceLine - NamespaceLine.Length);
        _afterClassName = text.Substring(afterClassName);
    }

    // Every template, read once.
    public static ImmutableArray<Template> All => s_all.Value;

    // The file's path below the templates' project, with slashes and without its extension.
    public string Path { get; }

    // Whether the file is one of a heap with these options. A folder named after a form, within a layer's, holds what only heaps of that
    // form have; the other form's folder declares the same members.
    public bool IsPartOf(Heap heap) => Form switch
    {
        "Plain" => !heap.Hardened,
        "Hardened" => heap.Hardened,
        // A hardened heap has thread caches in any case, but no fast paths, and so the LocalHeap of a heap without.
        "Cached" when heap.Hardened => !Path.EndsWith("/LocalHeap", StringComparison.Ordinal),
        "Locked" when heap.Hardened => Path.EndsWith("/LocalHeap", StringComparison.Ordinal),
        "Cached" => heap.ThreadCache,
        "Locked" => !heap.ThreadCache,
        _ => true,
    };

    // The form's folder that the file lies in: the second of its path; empty for a file of every heap.
    private string Form => Path.Split('/') is { Length: 3 } parts ? parts[1] : "";

    // The file as it stands.
    public string Text { get; }

    // The file as part of the given heap.
    public string For(Heap heap) =>
        string.Concat(
            HeapEmitter.Header + _beforeNamespace,
            HeapEmitter.NamespaceLine(heap),
            _beforeClassName,
            HeapEmitter.ClassName(heap) + _afterClassName);
}
