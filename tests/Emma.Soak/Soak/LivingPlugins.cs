using System.Runtime.CompilerServices;

namespace Emma.Soak;

/// <summary>Plugins that use heaps of their own on threads of their own, until they go.</summary>
public sealed class LivingPlugins
{
    private const int ThreadsOfEach = 2;

    private readonly List<Plugin> _plugins = [];

    public int Count => _plugins.Count;

    /// <summary>Plugins that have been unloaded and collected.</summary>
    public int Gone { get; private set; }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Load(ulong seed)
    {
        var plugin = new Plugin();
        plugin.Start(ThreadsOfEach, seed);
        _plugins.Add(plugin);
    }

    /// <summary>Has one go, whose load context must then be collected.</summary>
    public void Unload(int index)
    {
        WeakReference alive = StopAndLetGo(index);
        if (Plugin.CollectUntil(() => !alive.IsAlive) > Plugin.MostCollections)
            throw new InvalidDataException($"a plugin's load context is still there after {Plugin.MostCollections} collections");
        Gone++;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference StopAndLetGo(int index)
    {
        Plugin plugin = _plugins[index];
        _plugins.RemoveAt(index);
        string failure = plugin.Stop();
        if (failure != "")
            throw new InvalidDataException(failure);
        plugin.Unload();
        return plugin.Alive;
    }
}
