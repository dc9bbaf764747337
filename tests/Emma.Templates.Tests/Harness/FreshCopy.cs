using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace Emma.Templates.Tests;

/// <summary>
/// Another copy of this assembly, and so of the heap, in a collectible load context: a plugin. It runs the methods of
/// <see cref="EmmaHeap.HeapInternals.PluginWork"/>, which speak in plain types.
/// </summary>
public sealed class FreshCopy
{
    private readonly Context _context = new Context();
    private readonly Type _work;

    /// <param name="work">The full name of the class whose methods are run.</param>
    public FreshCopy(string? work = null)
    {
        Assembly copy = _context.LoadFromAssemblyPath(typeof(FreshCopy).Assembly.Location);
        _work = copy.GetType(work ?? typeof(EmmaHeap.HeapInternals.PluginWork).FullName!)!;
    }

    public WeakReference Alive => new WeakReference(_context);

    public nuint[] Run(string method) => _work.GetMethod(method)!.CreateDelegate<Func<nuint[]>>()();

    public void Unload() => _context.Unload();

    /// <summary>Runs a method in a copy of its own and unloads the copy; waits until it is gone.</summary>
    /// <returns>What the method returned: addresses of memory that the copy's heap had mapped.</returns>
    public static nuint[] RunAndUnload(string method, string? work = null)
    {
        nuint[] result = RunAndLetGo(method, work, out WeakReference alive);
        WaitUntilGone(alive);
        return result;
    }

    public static void WaitUntilGone(WeakReference alive)
    {
        for (int i = 0; i < 20 && alive.IsAlive; i++)
            Collect();
        Assert.False(alive.IsAlive, "the load context is still alive");
        Settle();
    }

    /// <summary>Waits for the heaps' sentinels: they act in the round of finalizers behind the last of the context's own.</summary>
    public static void Settle()
    {
        for (int i = 0; i < 5; i++)
            Collect();
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static nuint[] RunAndLetGo(string method, string? work, out WeakReference alive)
    {
        FreshCopy copy = new FreshCopy(work);
        alive = copy.Alive;
        nuint[] result = copy.Run(method);
        copy.Unload();
        return result;
    }

    private sealed class Context() : AssemblyLoadContext("fresh copy", isCollectible: true)
    {
        protected override Assembly? Load(AssemblyName assemblyName) => null;
    }
}
