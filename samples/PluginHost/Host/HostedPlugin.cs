using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Emma.Hosting;
using PluginHost.Contracts;

namespace PluginHost;

// A plugin in a collectible load context, and the thread that has it work. Nothing of the plugin leaves this object but its heaps as a host
// sees them, which keep nothing alive.
internal sealed class HostedPlugin
{
    private const double LowShare = 0.8;

    private readonly WeakReference _context;
    private readonly Thread _thread;
    private AssemblyLoadContext? _loaded;
    private IPlugin? _plugin;
    private volatile bool _stopped;

    private HostedPlugin(string file, long quota)
    {
        Name = Path.GetFileNameWithoutExtension(file);
        Quota = quota;
        _loaded = new AssemblyLoadContext(Name, isCollectible: true);
        _context = new WeakReference(_loaded);

        // From its bytes, so that the file may be replaced.
        using MemoryStream bytes = new(File.ReadAllBytes(file));
        Assembly assembly = _loaded.LoadFromStream(bytes);

        // Nothing of the plugin has run yet: its heaps obey the quota from the first block on.
        Heaps = EmmaHeap.In(assembly);
        foreach (EmmaHeap heap in Heaps)
        {
            heap.MemoryLimit = quota / Heaps.Count;
            heap.OutOfMemoryHandler = NoteLimit;
        }

        Type type = assembly.GetExportedTypes().Single(typeof(IPlugin).IsAssignableFrom);
        _plugin = (IPlugin)Activator.CreateInstance(type)!;
        _thread = new Thread(Run) { Name = Name };
        _thread.Start();
    }

    public string Name { get; }

    public long Quota { get; }

    public IReadOnlyList<EmmaHeap> Heaps { get; }

    public int Rounds { get; private set; }

    // Whether the host has told the plugin that it has used most of its quota.
    public bool IsWarned => WarnedInRound > 0;

    public int WarnedInRound { get; private set; }

    // How often the plugin's heaps asked the host because they found no room.
    public int TimesAtLimit { get; private set; }

    // Why the plugin has stopped working; null if it has not.
    public string? Failure { get; private set; }

    // Whether the garbage collector has taken the load context and all that was in it.
    public bool IsGone => !_context.IsAlive;

    public string State =>
        IsGone ? "gone"
        : _loaded is null ? "unloading"
        : Failure is not null ? "stopped"
        : IsWarned ? "warned" : "works";

    public long Mapped => Heaps.Sum(heap => heap.GetStatistics().MappedBytes);

    public long InUse => Heaps.Sum(heap => heap.GetStatistics().InUseBytes);

    public long Failed => Heaps.Sum(heap => heap.GetStatistics().FailedAllocations);

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static HostedPlugin Load(string file, long quota) => new(file, quota);

    // Lets go of the plugin and tells the runtime to unload it. Its memory goes when the runtime has collected it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Unload()
    {
        _stopped = true;
        _thread.Join();
        _plugin = null;
        _loaded?.Unload();
        _loaded = null;
    }

    // Runs on the plugin's thread when a heap has no room left. False: the allocation fails.
    private bool NoteLimit(nuint wanted)
    {
        TimesAtLimit++;
        return false;
    }

    private void Run()
    {
        try
        {
            while (!_stopped)
            {
                _plugin!.Work();
                Rounds++;
                if (!IsWarned && InUse > LowShare * Quota)
                {
                    WarnedInRound = Rounds;
                    _plugin.MemoryIsLow();
                }

                Thread.Sleep(20);
            }
        }
        catch (Exception exception)
        {
            // The text, not the exception: that may be of a type of the plugin's.
            Failure = exception.Message;
        }
    }
}
