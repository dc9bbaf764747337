using System.Reflection;
using System.Runtime.CompilerServices;

namespace Emma.Hosting;

// The heaps of one assembly. The table's values may refer to the plugin, and do: a table of this kind keeps a value alive only for as long
// as its key lives, whatever the value refers to.
internal sealed class AssemblyHeaps
{
    private static readonly ConditionalWeakTable<Assembly, AssemblyHeaps> s_all = [];

    private readonly HeapEntry?[] _entries;

    private AssemblyHeaps(Assembly assembly)
    {
        Heaps = [.. HeapMetadata.ReadAll(assembly).Select((metadata, index) => new EmmaHeap(assembly, index, metadata))];
        _entries = new HeapEntry?[Heaps.Length];
    }

    public EmmaHeap[] Heaps { get; }

    public static AssemblyHeaps Of(Assembly assembly) => s_all.GetValue(assembly, static assembly => new AssemblyHeaps(assembly));

    // Two threads may bind the same: either is good.
    public HeapEntry EntryOf(Assembly assembly, int index, string entryType)
    {
        HeapEntry? entry = Volatile.Read(ref _entries[index]);
        if (entry is null)
        {
            entry = new HeapEntry(assembly, entryType);
            Volatile.Write(ref _entries[index], entry);
        }

        return entry;
    }
}
