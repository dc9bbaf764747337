using System.Diagnostics;
using System.Runtime;
using System.Runtime.CompilerServices;

namespace Emma.Soak;

/// <summary>
/// <c>unload --times N [--seconds S] [--without-heap] [--watched]</c>: loads a plugin, has four threads use its heap, three of which
/// outlive it with the caches that they have of it, and unloads it, again and again. Each time the load context must be collected and all
/// that the heap had mapped be gone; over the whole run the process must not grow. Without the heap, everything else is done: what grows
/// then is the runtime's.
/// </summary>
public sealed class UnloadRun(Arguments arguments)
{
    private const int Threads = 3;

    // How much more the last quarter of a run may have than its second quarter, on average, however long the run is.
    private const double MoreMappings = 20;
    private const double MoreAddresses = 32 << 20;
    private const double MoreMemory = 6 << 20;

    private readonly int _times = (int)arguments.Number("--times", 10_000);
    private readonly double _seconds = arguments.Number("--seconds", double.MaxValue);
    private readonly bool _withoutHeap = arguments.Has("--without-heap");
    private readonly List<Footprint> _footprints = [];
    private int _mostForContext;
    private int _mostForMemory;
    private TimeSpan _using;
    private TimeSpan _collecting;

    public int Run()
    {
        using var crew = new Crew(Threads);
        TimeSpan compiling = JitInfo.GetCompilationTime();
        long methods = JitInfo.GetCompiledMethodCount();
        var all = Stopwatch.StartNew();
        var sincePrinted = Stopwatch.StartNew();
        int done = 0;
        while (done < _times && all.Elapsed.TotalSeconds < _seconds)
        {
            Once(crew, (ulong)++done);
            _footprints.Add(Footprint.Take());
            if (sincePrinted.Elapsed.TotalSeconds >= 10 || done == 1)
            {
                Print(done, all.Elapsed, _footprints[^1]);
                sincePrinted.Restart();
            }
        }

        Print(done, all.Elapsed, _footprints[^1]);
        compiling = JitInfo.GetCompilationTime() - compiling;
        methods = JitInfo.GetCompiledMethodCount() - methods;
        Console.WriteLine(
            $"each: {all.Elapsed.TotalMilliseconds / done:f1} ms, of which {_using.TotalMilliseconds / done:f1} loading and using, " +
            $"{_collecting.TotalMilliseconds / done:f1} collecting; " +
            $"{methods / done} methods compiled in {compiling.TotalMilliseconds / done:f1} ms");
        Console.WriteLine($"collections: {_mostForContext} at most until a load context was collected, {_mostForMemory} more at most " +
            "until its heap's memory was gone");
        return IsFlat() ? 0 : 1;
    }

    private static void Print(int done, TimeSpan elapsed, Footprint footprint) => Console.WriteLine(
        $"{done} plugins, {elapsed.TotalSeconds:f0} s: {footprint.Mappings} mappings, VmSize {footprint.VmSize / 1048576.0:f1} MiB, " +
        $"VmRSS {footprint.VmRss / 1048576.0:f1} MiB");

    private void Once(Crew crew, ulong seed)
    {
        long start = Stopwatch.GetTimestamp();
        nuint[] addresses = LoadAndUse(crew, seed, out WeakReference alive);
        _using += Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        int forContext = Plugin.CollectUntil(() => !alive.IsAlive);
        if (forContext > Plugin.MostCollections)
            throw new InvalidDataException($"plugin {seed}: its load context is still there after {Plugin.MostCollections} collections");
        int forMemory = _withoutHeap ? 0 : Plugin.CollectUntil(() => IsGone(addresses));
        if (forMemory > Plugin.MostCollections)
            throw new InvalidDataException($"plugin {seed}: memory of its heap is still mapped after {Plugin.MostCollections} collections");
        _mostForContext = Math.Max(_mostForContext, forContext);
        _mostForMemory = Math.Max(_mostForMemory, forMemory);
        _collecting += Stopwatch.GetElapsedTime(start);
    }

    // No block's mapping is there any more, and no heap's page of code: this process has none but its plugins'.
    private static bool IsGone(nuint[] addresses)
    {
        List<Mapping> maps = ProcessMaps.Read();
        return !maps.Exists(mapping => mapping.IsCodePage || Array.Exists(addresses, mapping.Contains));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private nuint[] LoadAndUse(Crew crew, ulong seed, out WeakReference alive)
    {
        var plugin = new Plugin();
        alive = plugin.Alive;
        Func<ulong, nuint> use = _withoutHeap ? plugin.Nothing : plugin.Use;
        nuint[] addresses = new nuint[Threads + 1];
        crew.Do(number => addresses[number] = use(seed * 10 + (ulong)number));
        var brief = new Thread(() => addresses[Threads] = use(seed * 10 + Threads));
        brief.Start();
        brief.Join();
        plugin.Unload();
        return addresses;
    }

    private bool IsFlat()
    {
        int quarter = _footprints.Count / 4;
        if (quarter == 0)
            return true;

        List<Footprint> early = _footprints.GetRange(quarter, quarter);
        List<Footprint> late = _footprints.GetRange(_footprints.Count - quarter, quarter);
        double mappings = late.Average(f => f.Mappings) - early.Average(f => f.Mappings);
        double addresses = late.Average(f => f.VmSize) - early.Average(f => f.VmSize);
        double memory = late.Average(f => f.VmRss) - early.Average(f => f.VmRss);
        Console.WriteLine($"last quarter against second: {mappings:+0.0;-0.0} mappings, VmSize {addresses / 1048576:+0.0;-0.0} MiB, " +
            $"VmRSS {memory / 1048576:+0.0;-0.0} MiB");
        return mappings <= MoreMappings && addresses <= MoreAddresses && memory <= MoreMemory;
    }
}
