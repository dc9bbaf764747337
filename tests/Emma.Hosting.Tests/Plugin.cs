using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace Emma.Hosting.Tests;

/// <summary>The plugin's assembly in a collectible load context of its own.</summary>
internal sealed class Plugin : IDisposable
{
    public const string Plain = "Forms.Plain";
    public const string Limited = "Forms.Limited";

    /// <summary>More collections than a load context and then its heap's memory have ever needed.</summary>
    private const int MostCollections = 30;

    private static readonly string s_path = Path.Combine(AppContext.BaseDirectory, "Emma.Hosting.Plugin.dll");

    private readonly Type _entry;

    public Plugin(string name = "plugin")
    {
        Context = new AssemblyLoadContext(name, isCollectible: true);
        Assembly = Context.LoadFromAssemblyPath(s_path);
        _entry = Assembly.GetType("Forms.Entry", throwOnError: true)!;
    }

    public static string[] Forms { get; } = [Plain, "Forms.Locked", "Forms.Checked", "Forms.Hardened", Limited];

    /// <summary>How often module initializers of the plugin have run in this process.</summary>
    public static int Starts => (int)(AppContext.GetData("Emma.Hosting.Plugin.Starts") ?? 0);

    public AssemblyLoadContext Context { get; }

    public Assembly Assembly { get; }

    public EmmaHeap Heap(string name) => EmmaHeap.In(Assembly).Single(heap => heap.Name == name);

    public nint Alloc(string heap, nint size) => Method<Func<string, nint, nint>>(nameof(Alloc))(heap, size);

    public nint TryAlloc(string heap, nint size) => Method<Func<string, nint, nint>>(nameof(TryAlloc))(heap, size);

    public nint GoodSize(string heap, nint size) => Method<Func<string, nint, nint>>(nameof(GoodSize))(heap, size);

    public void Free(string heap, nint block) => Method<Action<string, nint>>(nameof(Free))(heap, block);

    public void Destroy(string heap) => Method<Action<string>>(nameof(Destroy))(heap);

    public void Prepare(string heap) => Method<Action<string>>(nameof(Prepare))(heap);

    public void SetHandler(string heap, Func<nuint, bool>? handler) =>
        Method<Action<string, Func<nuint, bool>?>>(nameof(SetHandler))(heap, handler);

    public IDisposable[] Lend() => Method<Func<IDisposable[]>>(nameof(Lend))();

    public Func<string, nint, nint> TryAllocs => Method<Func<string, nint, nint>>(nameof(TryAlloc));

    public void Dispose() => Context.Unload();

    /// <summary>Has a plugin used and unloaded, with nothing of it left on the caller's stack.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static WeakReference UseAndUnload(Action<Plugin> use, string name = "plugin")
    {
        using Plugin plugin = new(name);
        use(plugin);
        return new WeakReference(plugin.Context);
    }

    /// <summary>Collects garbage until something holds.</summary>
    public static void CollectUntil(Func<bool> holds, string what)
    {
        for (int i = 0; i < MostCollections && !holds(); i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.True(holds(), $"not so after {MostCollections} collections: {what}");
    }

    private T Method<T>(string name)
        where T : Delegate => _entry.GetMethod(name)!.CreateDelegate<T>();
}
