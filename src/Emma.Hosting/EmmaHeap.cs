using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.Loader;

namespace Emma.Hosting;

/// <summary>
/// A heap that <c>Emma.Generator</c> wrote into an assembly, as its host sees it. Finding it reads metadata and runs nothing of the
/// assembly; the first member that needs the heap's state runs the assembly's module initializers, as any use of it would.
/// </summary>
/// <remarks>
/// It keeps no load context alive: each operation holds the assembly for as long as it takes. Once the assembly is gone there is nothing
/// left of the heap, so that operations do nothing and read zeros, and <see cref="IsUnloaded"/> is true. All members may be used by any
/// thread at any time, also while the context is unloaded. A member that the heap's version does not have throws
/// <see cref="NotSupportedException"/>.
/// </remarks>
[DebuggerDisplay("{ToString(),nq}")]
public sealed class EmmaHeap
{
    private readonly WeakReference<Assembly> _assembly;
    // What cannot be unloaded may be held.
    private readonly Assembly? _permanent;
    private readonly string _entryType;
    private readonly int _index;

    internal EmmaHeap(Assembly assembly, int index, HeapMetadata metadata)
    {
        _assembly = new WeakReference<Assembly>(assembly);
        _permanent = assembly.IsCollectible ? null : assembly;
        _index = index;
        _entryType = metadata.EntryType;
        Name = metadata.HeapName;
        Version = metadata.Version;
        Options = metadata.Options;
        AssemblyName = assembly.GetName().Name ?? "";
        ContextName = AssemblyLoadContext.GetLoadContext(assembly)?.Name ?? "";
    }

    /// <summary>The full name of the heap's class.</summary>
    public string Name { get; }

    /// <summary>The version of <c>Emma.Generator</c> that wrote the heap.</summary>
    public Version Version { get; }

    /// <summary>What the heap's attribute asked for.</summary>
    public HeapOptions Options { get; }

    /// <summary>The simple name of the heap's assembly; stays when that is gone.</summary>
    public string AssemblyName { get; }

    /// <summary>The name of the assembly's load context, empty if it has none; stays when that is gone.</summary>
    public string ContextName { get; }

    /// <summary>The assembly that holds the heap; null if it is gone. Who keeps it keeps its load context alive.</summary>
    public Assembly? Assembly => TryGetAssembly(out Assembly? assembly) ? assembly : null;

    /// <summary>Whether the assembly was unloaded and collected, and the heap with it, for good.</summary>
    public bool IsUnloaded => !TryGetAssembly(out Assembly? _);

    /// <summary>
    /// The most bytes the heap may map; 0: no limit. Set before the plugin's code has run, it is as good as an option of the attribute:
    /// nearly all of it is there for blocks.
    /// </summary>
    /// <value>Bytes. Of a heap that is gone 0, and setting it does nothing.</value>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    /// <exception cref="NotSupportedException">The heap's version has no such property.</exception>
    public long MemoryLimit
    {
        get
        {
            HeapEntry? entry = Enter(out Assembly? assembly);
            if (entry is null)
                return 0;

            long limit = (entry.ReadLimit ?? throw NotSupported(nameof(MemoryLimit)))();
            GC.KeepAlive(assembly);
            return limit;
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            HeapEntry? entry = Enter(out Assembly? assembly);
            if (entry is null)
                return;

            (entry.WriteLimit ?? throw NotSupported(nameof(MemoryLimit)))(value);
            GC.KeepAlive(assembly);
        }
    }

    /// <summary>
    /// The host's handler, asked when an allocation finds no room, the heap has reclaimed all it can, and the heap's own handler, if there
    /// is one, has said false: with the bytes wanted; true: try again.
    /// </summary>
    /// <value>Null: none. Of a heap that is gone null, and setting it does nothing.</value>
    /// <remarks>
    /// It runs on the plugin's thread that allocates, with no lock held, several times at once if several threads allocate; it may raise
    /// the limit, or trim. What it throws reaches the plugin's code. The heap refers to it for as long as the plugin lives: a handler that
    /// refers to this object keeps nothing of the plugin alive, one that refers to its assembly does so for good.
    /// </remarks>
    /// <exception cref="InvalidOperationException">There is a handler of a host already, and the value is not null.</exception>
    /// <exception cref="NotSupportedException">The heap's version has no handlers.</exception>
    public Func<nuint, bool>? OutOfMemoryHandler
    {
        get
        {
            HeapEntry? entry = Enter(out Assembly? assembly);
            if (entry is null)
                return null;

            Func<nuint, bool>? handler = (entry.ReadHandler ?? throw NotSupported(nameof(OutOfMemoryHandler)))();
            GC.KeepAlive(assembly);
            return handler;
        }

        set
        {
            HeapEntry? entry = Enter(out Assembly? assembly);
            if (entry is null)
                return;

            bool isSet = (entry.TryWriteHandler ?? throw NotSupported(nameof(OutOfMemoryHandler)))(value);
            GC.KeepAlive(assembly);
            if (!isSet)
            {
                throw new InvalidOperationException(
                    $"A host has set the {nameof(OutOfMemoryHandler)} of {this} already. Set it to null first.");
            }
        }
    }

    /// <summary>Every heap in an assembly, in the order of its metadata; the same objects each time.</summary>
    /// <param name="assembly">An assembly; nothing of it is run.</param>
    /// <returns>None, if there is none, or the assembly was built in memory by reflection.</returns>
    public static IReadOnlyList<EmmaHeap> In(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        return AssemblyHeaps.Of(assembly).Heaps;
    }

    /// <summary>Every heap in the assemblies that a load context has loaded by now.</summary>
    /// <param name="context">A load context; nothing of its assemblies is run.</param>
    /// <returns>None, if there is none.</returns>
    public static IReadOnlyList<EmmaHeap> In(AssemblyLoadContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return [.. context.Assemblies.SelectMany(In)];
    }

    /// <summary>What the heap holds. A heap that has not started is not started by being looked at.</summary>
    /// <returns>The figures; zeros if the heap is gone.</returns>
    /// <exception cref="NotSupportedException">The heap's version does not give its figures to hosts.</exception>
    public HeapStatistics GetStatistics()
    {
        HeapEntry? entry = Enter(out Assembly? assembly);
        if (entry is null)
            return default;

        Span<long> figures = stackalloc long[HeapStatistics.FigureCount];
        figures.Clear();
        int given = (entry.ReadFigures ?? throw NotSupported(nameof(GetStatistics)))(figures);
        GC.KeepAlive(assembly);
        return given >= HeapStatistics.FigureCount ? new HeapStatistics(figures) : throw NotSupported(nameof(GetStatistics));
    }

    /// <summary>Gives everything free back to the kernel.</summary>
    /// <returns>Bytes unmapped or discarded; 0 if the heap is gone.</returns>
    /// <exception cref="NotSupportedException">The heap's version cannot be trimmed by hosts.</exception>
    public nuint Trim()
    {
        HeapEntry? entry = Enter(out Assembly? assembly);
        if (entry is null)
            return 0;

        nuint given = (entry.TrimAll ?? throw NotSupported(nameof(Trim)))();
        GC.KeepAlive(assembly);
        return given;
    }

    /// <summary>Whether an address lies in a live block of the heap, or in pages that it keeps for blocks of up to 256 KiB.</summary>
    /// <param name="address">Any value: it is not read through.</param>
    /// <returns>False if the heap is gone.</returns>
    /// <exception cref="NotSupportedException">The heap's version does not tell hosts.</exception>
    public bool Owns(nuint address)
    {
        HeapEntry? entry = Enter(out Assembly? assembly);
        if (entry is null)
            return false;

        bool owns = (entry.OwnsAddress ?? throw NotSupported(nameof(Owns)))(address);
        GC.KeepAlive(assembly);
        return owns;
    }

    /// <summary>The same for a pointer.</summary>
    /// <param name="ptr">Any value: it is not read through.</param>
    /// <returns>False if the heap is gone.</returns>
    /// <exception cref="NotSupportedException">The heap's version does not tell hosts.</exception>
    public unsafe bool Owns(void* ptr) => Owns((nuint)ptr);

    /// <summary>The heap's name and its assembly's.</summary>
    /// <returns>Such as <c>Audio.Memory.Mixer of Plugin</c>.</returns>
    public override string ToString() => $"{Name} of {AssemblyName}";

    // What can be called of the heap, and the assembly, which the caller keeps alive until the call has ended; null: it is gone.
    private HeapEntry? Enter(out Assembly? assembly) =>
        TryGetAssembly(out assembly) ? AssemblyHeaps.Of(assembly).EntryOf(assembly, _index, _entryType) : null;

    private bool TryGetAssembly([NotNullWhen(true)] out Assembly? assembly)
    {
        assembly = _permanent;
        return assembly is not null || _assembly.TryGetTarget(out assembly);
    }

    private NotSupportedException NotSupported(string member) => new(
        $"{this} was written by Emma.Generator {Version}, which has no {member} that Emma.Hosting " +
        $"{typeof(EmmaHeap).Assembly.GetName().Version} could use.");
}
