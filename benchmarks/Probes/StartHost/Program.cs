using System.Globalization;
using System.Reflection;
using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

// Has a probe allocate its first block and writes what that took: methods compiled, bytes of IL, the JIT's time and the process's CPU time.
internal static class Program
{
    private static void Main(string[] args)
    {
        string assembly = args[0];
        bool isCollectible = args[1] == "collectible";
        AssemblyLoadContext context = isCollectible ? new("plugin", isCollectible: true) : AssemblyLoadContext.Default;
        Type probe = context.LoadFromAssemblyPath(assembly).GetType("Probe")!;
        Func<nint> allocate = probe.GetMethod("AllocateOne", BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<Func<nint>>();

        // Once before the measurement, so that it compiles nothing of itself.
        Figures before = Figures.Take();
        before = Figures.Take();
        MarkBegin();
        nint block = allocate();
        Figures after = Figures.Take();
        MarkEnd();
        GC.KeepAlive(block);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{after.Methods - before.Methods - 1} {after.IL - before.IL} {after.Jit - before.Jit} {after.Cpu - before.Cpu}"));
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
