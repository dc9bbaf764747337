using System.Reflection;
using System.Runtime.Loader;

namespace Emma.Soak;

/// <summary>Another copy of this assembly, and so of its heaps, in a collectible load context.</summary>
public sealed class Plugin
{
    /// <summary>More collections than a load context and then its heap's memory have ever needed.</summary>
    public const int MostCollections = 20;

    private readonly AssemblyLoadContext _context = new AssemblyLoadContext("plugin", isCollectible: true);
    private readonly Type _entry;

    public Plugin() => _entry = _context.LoadFromAssemblyPath(typeof(Plugin).Assembly.Location).GetType(typeof(PluginEntry).FullName!)!;

    /// <summary>Dies with the load context.</summary>
    public WeakReference Alive => new WeakReference(_context);

    public Func<ulong, nuint> OneBlock => Method<Func<ulong, nuint>>(nameof(PluginEntry.OneBlock));

    public Func<ulong, nuint> Use => Method<Func<ulong, nuint>>(nameof(PluginEntry.Use));

    public Func<ulong, nuint> Nothing => Method<Func<ulong, nuint>>(nameof(PluginEntry.Nothing));

    public Func<nuint, bool> Owns => Method<Func<nuint, bool>>(nameof(PluginEntry.Owns));

    public Func<Action, bool> KeepWhile => Method<Func<Action, bool>>(nameof(PluginEntry.KeepWhile));

    public Action<int, ulong> Start => Method<Action<int, ulong>>(nameof(PluginEntry.Start));

    public Func<long> Steps => Method<Func<long>>(nameof(PluginEntry.Steps));

    public Func<string> Stop => Method<Func<string>>(nameof(PluginEntry.Stop));

    public void Unload() => _context.Unload();

    /// <summary>
    /// Collects garbage until something holds, a bounded number of times, each between two looks of a host's, if one watches.
    /// </summary>
    /// <returns>How many times; more than <see cref="MostCollections"/> if it never held.</returns>
    public static int CollectUntil(Func<bool> holds)
    {
        int collections = 0;
        while (!holds())
        {
            if (++collections > MostCollections)
                break;
            HostWatch.AwaitRound();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return collections;
    }

    private T Method<T>(string name)
        where T : Delegate => _entry.GetMethod(name, BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<T>();
}
