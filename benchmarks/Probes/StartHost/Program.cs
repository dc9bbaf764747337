using System.Globalization;
using System.Reflection;
using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

// Has copies of a probe allocate their first block and writes what that took: methods compiled, bytes of IL, the JIT's time, the process's
// CPU time, and what is resident since before their contexts were made, KiB by kind.
internal static class Program
{
    private static readonly List<object> s_kept = [];

    private static void Main(string[] args)
    {
        string? assembly = args[0].Length == 0 ? null : args[0];
        bool isCollectible = args[1] == "collectible";
        int count = int.Parse(args[2], CultureInfo.InvariantCulture);

        // Each once before the measurement, so that it compiles nothing of itself.
        Span<long> before = stackalloc long[Residents.Kinds.Length];
        Span<long> after = stackalloc long[Residents.Kinds.Length];
        Figures first = Figures.Take();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Residents.Take(before);
        Residents.Take(before);

        Func<nint>[] starts = new Func<nint>[count];
        for (int i = 0; i < count; i++)
            starts[i] = Load(assembly, isCollectible);

        first = Figures.Take();
        MarkBegin();
        foreach (Func<nint> start in starts)
            start();
        Figures last = Figures.Take();
        MarkEnd();

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Residents.Take(after);
        GC.KeepAlive(s_kept);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{last.Methods - first.Methods - 1} {last.IL - first.IL} {last.Jit - first.Jit} {last.Cpu - first.Cpu}"));
        for (int kind = 0; kind < after.Length; kind++)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{after[kind] - before[kind]} {Residents.Kinds[kind]}"));
        if (args.Length > 3)
            Console.WriteLine(File.ReadAllText("/proc/self/smaps"));
    }

    // A copy of the probe in a context of its own; without an assembly, the context alone.
    private static Func<nint> Load(string? assembly, bool isCollectible)
    {
        AssemblyLoadContext context = isCollectible ? new("plugin", isCollectible: true) : AssemblyLoadContext.Default;
        s_kept.Add(context);
        if (assembly is null)
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

    private readonly record struct Figures(long Methods, long IL, double Jit, double Cpu)
    {
        internal static Figures Take() => new(
            JitInfo.GetCompiledMethodCount(),
            JitInfo.GetCompiledILBytes(),
            JitInfo.GetCompilationTime().TotalMilliseconds,
            Environment.CpuUsage.TotalTime.TotalMilliseconds);
    }
}
