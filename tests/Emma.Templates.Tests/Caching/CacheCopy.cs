using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace Emma.Templates.Tests;

// A copy of the heap in a collectible load context, as FreshCopy, that runs EmmaHeap.HeapInternals.CachePluginWork.
internal sealed class CacheCopy
{
    private readonly Context _context = new Context();
    private readonly Type _work;

    private CacheCopy()
    {
        Assembly copy = _context.LoadFromAssemblyPath(typeof(CacheCopy).Assembly.Location);
        _work = copy.GetType(typeof(EmmaHeap.HeapInternals.CachePluginWork).FullName!)!;
    }

    private nuint[] Run(string method) => _work.GetMethod(method)!.CreateDelegate<Func<nuint[]>>()();

    // Runs a method in so many copies, all of which live until the last has run, and unloads them.
    // Returns: What each returned. The caller waits until the contexts are gone.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static List<nuint[]> RunAndLetGo(int count, string method, out List<WeakReference> contexts)
    {
        List<CacheCopy> copies = [];
        List<nuint[]> results = [];
        for (int i = 0; i < count; i++)
        {
            copies.Add(new CacheCopy());
            results.Add(copies[i].Run(method));
        }

        copies.ForEach(copy => copy._context.Unload());
        contexts = copies.ConvertAll(copy => new WeakReference(copy._context));
        return results;
    }

    // Waits until contexts are gone, and their heaps with them.
    internal static void WaitUntilGone(List<WeakReference> contexts)
    {
        for (int i = 0; i < 10 && contexts.Exists(context => context.IsAlive); i++)
            FreshCopy.Settle();
        Assert.All(contexts, context => Assert.False(context.IsAlive, "a load context is still alive"));
        FreshCopy.Settle();
    }

    private sealed class Context() : AssemblyLoadContext("copy with caches", isCollectible: true)
    {
        protected override Assembly? Load(AssemblyName assemblyName) => null;
    }
}
