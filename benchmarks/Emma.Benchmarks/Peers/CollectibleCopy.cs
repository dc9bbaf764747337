using System.Reflection;
using System.Runtime.Loader;
using Emma.Benchmarks.Micro;
using Emma.Benchmarks.Processes;

namespace Emma.Benchmarks.Peers;

// A copy of this assembly in a collectible load context, whose heaps are its own and whose code is compiled the way plugins' code is. The
// two copies share no type of this assembly, so that only delegates of the base library pass between them.
internal static class CollectibleCopy
{
    // A heap waits for the finalizers of its context's objects, and a round more.
    private const int RoundsUntilUnloaded = 5;

    // A pattern over a peer of a copy of its own: the pattern before it would have started the heap.
    internal static Kernel? CreateKernel(string peer, string pattern, bool inlined)
    {
        LetEarlierCopiesGo();
        Func<string, string, bool, (Action<int> Run, Action Release)> create =
            Bind<Func<string, string, bool, (Action<int> Run, Action Release)>>(nameof(CreateKernelHere));
        (Action<int>? run, Action? release) = create(peer, pattern, inlined);
        return run is null ? null : new Kernel(run, release);
    }

    // Does a child process's work in the copy.
    internal static void RunChild(string[] args) => Bind<Action<string[]>>(nameof(RunChildHere))(args);

    // Or their heaps would hold all the keys by which machine code finds a thread's cache: a process has 32.
    private static void LetEarlierCopiesGo()
    {
        for (int round = 0; round < RoundsUntilUnloaded; round++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    private static (Action<int> Run, Action Release) CreateKernelHere(string peer, string pattern, bool inlined)
    {
        Peer own = PeerList.Find(peer);
        Pattern ownPattern = PatternList.Find(pattern);
        own.Compile(ownPattern, inlined);
        Kernel? kernel = own.CreateKernel(ownPattern, inlined);
        return (kernel?.Run!, kernel?.Release!);
    }

    private static void RunChildHere(string[] args) => Child.Run(args);

    private static TDelegate Bind<TDelegate>(string method)
        where TDelegate : Delegate
    {
        AssemblyLoadContext context = new("benchmarks", isCollectible: true);
        Type copy = context.LoadFromAssemblyPath(typeof(CollectibleCopy).Assembly.Location).GetType(typeof(CollectibleCopy).FullName!)!;
        TDelegate bound = copy.GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!.CreateDelegate<TDelegate>();
        // It goes once nobody holds anything of it.
        context.Unload();
        return bound;
    }
}
