using System.Reflection;
using System.Runtime.Loader;
using Emma.Benchmarks.Micro;
using Emma.Benchmarks.Processes;

namespace Emma.Benchmarks.Peers;

// A copy of this assembly in a collectible load context, whose heaps are its own and whose code is compiled the way plugins' code is. The
// two copies share no type of this assembly, so that only delegates of the base library pass between them.
internal static class CollectibleCopy
{
    private static readonly Lazy<Func<string, string, bool, (Action<int> Run, Action Release)>> s_createKernel =
        new(() => Bind<Func<string, string, bool, (Action<int>, Action)>>(nameof(CreateKernelHere)));

    // A pattern over one of the copy's peers.
    internal static Kernel? CreateKernel(string peer, string pattern, bool inlined)
    {
        (Action<int>? run, Action? release) = s_createKernel.Value(peer, pattern, inlined);
        return run is null ? null : new Kernel(run, release);
    }

    // Does a child process's work in the copy.
    internal static void RunChild(string[] args) => Bind<Action<string[]>>(nameof(RunChildHere))(args);

    private static unsafe (Action<int> Run, Action Release) CreateKernelHere(string peer, string pattern, bool inlined)
    {
        // Collectible code is compiled once and folds only statics that were set by then: the heap comes first for every pattern.
        BenchHeap.Free(BenchHeap.Alloc(1));
        Kernel? kernel = PeerList.Find(peer).CreateKernel(PatternList.Find(pattern), inlined);
        return (kernel?.Run!, kernel?.Release!);
    }

    private static void RunChildHere(string[] args) => Child.Run(args);

    private static TDelegate Bind<TDelegate>(string method)
        where TDelegate : Delegate
    {
        AssemblyLoadContext context = new("benchmarks", isCollectible: true);
        Type copy = context.LoadFromAssemblyPath(typeof(CollectibleCopy).Assembly.Location).GetType(typeof(CollectibleCopy).FullName!)!;
        return copy.GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!.CreateDelegate<TDelegate>();
    }
}
