namespace Emma.Hosting;

/// <summary>
/// What the attribute <c>EmmaAllocator</c> asked for, as the assembly's metadata say. Null: the heap's version does not say.
/// </summary>
public sealed class HeapOptions
{
    private const string DefaultMark = " (default)";

    private readonly Dictionary<string, string> _values = [];
    private readonly HashSet<string> _defaults = [];

    // From the parts of the metadata's value, each an option and its value.
    internal HeapOptions(IEnumerable<string> parts)
    {
        foreach (string part in parts)
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
                continue;

            string option = part[..equals];
            string value = part[(equals + 1)..];
            if (value.EndsWith(DefaultMark, StringComparison.Ordinal))
            {
                _defaults.Add(option);
                value = value[..^DefaultMark.Length];
            }

            _values[option] = value;
        }
    }

    /// <summary>Whether every pointer that crosses the heap's API is proved to be a live block first.</summary>
    public bool? BoundaryChecks => ReadBool(nameof(BoundaryChecks));

    /// <summary>Whether the heap looks for misuse at the price of speed and memory.</summary>
    public bool? Hardened => ReadBool(nameof(Hardened));

    /// <summary>The limit in bytes that the heap began with; 0: none. <see cref="EmmaHeap.MemoryLimit"/> is what holds now.</summary>
    public long? MemoryLimit =>
        _values.TryGetValue(nameof(MemoryLimit), out string? text) && long.TryParse(text, out long value) ? value : null;

    /// <summary>Whether the heap's class is public.</summary>
    public bool? Public => ReadBool(nameof(Public));

    /// <summary>Whether threads keep free blocks of their own.</summary>
    public bool? ThreadCache => ReadBool(nameof(ThreadCache));

    /// <summary>
    /// The names of those that have the value of a heap whose attribute does not mention them: among them <c>BoundaryChecks</c> where it is
    /// on only because the plugin is a debug build.
    /// </summary>
    public IReadOnlySet<string> Defaults => _defaults;

    private bool? ReadBool(string option) =>
        _values.TryGetValue(option, out string? text) && bool.TryParse(text, out bool value) ? value : null;
}
