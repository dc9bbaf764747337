using System.Globalization;
using System.Reflection;
using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

// Has copies of a probe allocate their first block, and writes what that took: methods compiled, bytes of IL, the JIT's time, the process's
// CPU time, bytes allocated from the garbage collector; then KiB that became resident since before their contexts were made, by kind.
// At last it has the rest of a heap compiled, for the JIT's list.
internal static class Program
{
    private const string HeapClass = "ProbeHeap";

    private static readonly List<object> s_kept = [];

    // args: the assembly, empty for contexts with nothing in them; "main" or "collectible"; how many copies.
    private static void Main(string[] args)
    {
        string assembly = args[0];
        bool isCollectible = args[1] == "collectible";
        int count = int.Parse(args[2], CultureInfo.InvariantCulture);

        // Each once before the measurement, so that it compiles nothing of itself.
        Span<long> before = stackalloc long[Residents.Kinds.Count];
        Span<long> after = stackalloc long[Residents.Kinds.Count];
        Figures first = Figures.Take();
        TakeResidents(before);
        TakeResidents(before);

        Func<nint>[] starts = new Func<nint>[count];
        for (int i = 0; i < count; i++)
            starts[i] = Load(assembly, isCollectible);

        first = Figures.Take();
        MarkBegin();
        foreach (Func<nint> start in starts)
            start();
        Figures last = Figures.Take();
        MarkEnd();

        TakeResidents(after);
        foreach (Assembly loaded in AppDomain.CurrentDomain.GetAssemblies())
            loaded.GetType(HeapClass)?.GetMethod("Prepare")?.Invoke(null, null);
        GC.KeepAlive(s_kept);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{last.Methods - first.Methods - 1} {last.IL - first.IL} {last.Jit - first.Jit} {last.Cpu - first.Cpu} "
            + $"{last.Allocated - first.Allocated}"));
        for (int kind = 0; kind < after.Length; kind++)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{after[kind] - before[kind]} {Residents.Kinds[kind]}"));
    }

    // What objects that are garbage took does not count.
    private static void TakeResidents(Span<long> kilobytes)
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Residents.Take(kilobytes);
    }

    // A copy of the probe in a context of its own; without an assembly, the context alone.
    private static Func<nint> Load(string assembly, bool isCollectible)
    {
        AssemblyLoadContext context = isCollectible ? new("plugin", isCollectible: true) : AssemblyLoadContext.Default;
        s_kept.Add(context);
        if (assembly.Length == 0)
            return static () => 0;

        Type probe = context.LoadFromAssemblyPath(assembly).GetType("Probe")!;
        return probe.GetMethod("AllocateOne", BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<Func<nint>>();
    }

    // Names that the JIT's list of methods shows where the start begins and where it ends. The first one is compiled within the figures.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MarkBegin()
    {
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MarkEnd()
    {
    }

    private readonly record struct Figures(long Methods, long IL, double Jit, double Cpu, long Allocated)
    {
        internal static Figures Take() => new(
            JitInfo.GetCompiledMethodCount(),
            JitInfo.GetCompiledILBytes(),
            JitInfo.GetCompilationTime().TotalMilliseconds,
            Environment.CpuUsage.TotalTime.TotalMilliseconds,
            GC.GetAllocatedBytesForCurrentThread());
    }
}
