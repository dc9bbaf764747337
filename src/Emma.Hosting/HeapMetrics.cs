using System.Diagnostics.Metrics;
using System.Runtime.Loader;

namespace Emma.Hosting;

/// <summary>
/// Publishes the figures of heaps through the meter <c>Emma.Heap</c>, for as long as it is not disposed of. It keeps no load context alive:
/// heaps are looked for, and looked at, when somebody collects the metrics.
/// </summary>
/// <remarks>
/// Instruments, in bytes (<c>By</c>): <c>emma.heap.memory.mapped</c>, <c>.in_use</c>, <c>.cached</c>, <c>.free</c>, <c>.limit</c> (only of
/// heaps that have one) and <c>.peak</c>; in numbers: <c>emma.heap.blocks</c> and <c>emma.heap.allocation_failures</c>. Their attributes
/// are <c>emma.heap.name</c>, <c>emma.heap.assembly</c> and <c>emma.heap.context</c>. Heaps of which all three are equal are added up.
/// A heap that is gone is reported no more.
/// </remarks>
public sealed class HeapMetrics : IDisposable
{
    /// <summary>The meter's name: what a listener, or OpenTelemetry's <c>AddMeter</c>, is told.</summary>
    public const string MeterName = "Emma.Heap";

    // Instruments are read one after another; all of a round read the same figures, unless it takes longer than this.
    private static readonly TimeSpan s_round = TimeSpan.FromSeconds(1);

    private readonly Func<IEnumerable<EmmaHeap>> _heaps;
    private readonly Meter _meter;
    private readonly object _lock = new();
    private Series[] _series = [];
    private long _taken;
    private int _readers = ~0;

    private HeapMetrics(Func<IEnumerable<EmmaHeap>> heaps, IMeterFactory? factory)
    {
        _heaps = heaps;
        string? version = typeof(HeapMetrics).Assembly.GetName().Version?.ToString();
        _meter = factory is null ? new Meter(MeterName, version) : factory.Create(new MeterOptions(MeterName) { Version = version });

        int reader = 0;
        AddUpDown("emma.heap.memory.mapped", "Memory that heaps have mapped from the kernel.", reader++, s => s.MappedBytes);
        AddUpDown("emma.heap.memory.in_use", "Memory of live blocks.", reader++, s => s.InUseBytes);
        AddUpDown("emma.heap.memory.cached", "Memory of freed blocks that threads keep.", reader++, s => s.CachedBytes);
        AddUpDown("emma.heap.memory.free", "Memory that is mapped and free.", reader++, s => s.FreeBytes);
        AddUpDown("emma.heap.memory.limit", "The most memory that heaps may map.", reader++, s => s.MemoryLimit, s => s.HasLimit);
        int peak = reader++;
        _meter.CreateObservableGauge(
            "emma.heap.memory.peak", () => Read(peak, s => s.PeakMappedBytes), "By", "The most memory that was mapped at once.");
        AddUpDown("emma.heap.blocks", "Live blocks.", reader++, s => s.LiveBlocks, unit: "{block}");
        int failures = reader;
        _meter.CreateObservableCounter(
            "emma.heap.allocation_failures", () => Read(failures, s => s.FailedAllocations), "{failure}", "Allocations that failed.");
    }

    /// <summary>Publishes the figures of every heap of the process, in whichever load context, as they come and go.</summary>
    /// <param name="factory">Makes the meter, and owns it; null: the meter is made here.</param>
    /// <returns>To be disposed of when nobody is to be told any more.</returns>
    public static HeapMetrics Watch(IMeterFactory? factory = null) =>
        new(static () => AssemblyLoadContext.All.SelectMany(EmmaHeap.In), factory);

    /// <summary>Publishes the figures of the heaps of one load context, whatever it loads, until it is gone.</summary>
    /// <param name="context">The load context; it is held weakly.</param>
    /// <param name="factory">Makes the meter, and owns it; null: the meter is made here.</param>
    /// <returns>To be disposed of when nobody is to be told any more.</returns>
    public static HeapMetrics Watch(AssemblyLoadContext context, IMeterFactory? factory = null)
    {
        ArgumentNullException.ThrowIfNull(context);
        WeakReference<AssemblyLoadContext> weak = new(context);
        return new HeapMetrics(() => weak.TryGetTarget(out AssemblyLoadContext? target) ? EmmaHeap.In(target) : [], factory);
    }

    /// <summary>Publishes the figures of some heaps.</summary>
    /// <param name="heaps">The heaps. Enumerated at each collection, by several threads at once if several collect.</param>
    /// <param name="factory">Makes the meter, and owns it; null: the meter is made here.</param>
    /// <returns>To be disposed of when nobody is to be told any more.</returns>
    public static HeapMetrics Watch(IEnumerable<EmmaHeap> heaps, IMeterFactory? factory = null)
    {
        ArgumentNullException.ThrowIfNull(heaps);
        return new HeapMetrics(() => heaps, factory);
    }

    /// <summary>Publishes nothing any more.</summary>
    public void Dispose() => _meter.Dispose();

    private void AddUpDown(
        string name, string description, int reader, Func<Series, long> figure, Func<Series, bool>? isPresent = null, string unit = "By") =>
        _meter.CreateObservableUpDownCounter(name, () => Read(reader, figure, isPresent), unit, description);

    // Called for each instrument in turn.
    private Measurement<long>[] Read(int reader, Func<Series, long> figure, Func<Series, bool>? isPresent = null)
    {
        Series[] series = SeriesOfRound(reader) ?? BeginRound(reader);
        return [.. series
            .Where(one => isPresent is null || isPresent(one))
            .Select(one => new Measurement<long>(figure(one), one.Attributes))];
    }

    // The figures that the instruments before this one have read; null: an instrument that has read them already begins a new round.
    private Series[]? SeriesOfRound(int reader)
    {
        lock (_lock)
        {
            if ((_readers & (1 << reader)) != 0 || Environment.TickCount64 - _taken > s_round.TotalMilliseconds)
                return null;

            _readers |= 1 << reader;
            return _series;
        }
    }

    // No lock is held while the figures are taken: that may run a plugin's module initializers, which may wait for another thread.
    private Series[] BeginRound(int reader)
    {
        Series[] series = TakeSeries();
        lock (_lock)
        {
            _series = series;
            _taken = Environment.TickCount64;
            _readers = 1 << reader;
            return series;
        }
    }

    private Series[] TakeSeries()
    {
        Dictionary<(string Name, string Assembly, string Context), Series> series = [];
        foreach (EmmaHeap heap in _heaps())
        {
            if (!TryRead(heap, out HeapStatistics statistics))
                continue;

            (string, string, string) key = (heap.Name, heap.AssemblyName, heap.ContextName);
            if (!series.TryGetValue(key, out Series? one))
                series[key] = one = new Series(heap);
            one.Add(statistics);
        }

        return [.. series.Values];
    }

    private static bool TryRead(EmmaHeap heap, out HeapStatistics statistics)
    {
        statistics = default;
        try
        {
            statistics = heap.GetStatistics();
            return !heap.IsUnloaded;
        }
        catch (Exception)
        {
            // A version without figures, or a plugin whose module initializer throws: the others are reported all the same.
            return false;
        }
    }

    // The sum of all heaps with the same attributes.
    private sealed class Series(EmmaHeap heap)
    {
        public KeyValuePair<string, object?>[] Attributes { get; } =
        [
            new("emma.heap.name", heap.Name),
            new("emma.heap.assembly", heap.AssemblyName),
            new("emma.heap.context", heap.ContextName),
        ];

        public long MappedBytes { get; private set; }

        public long InUseBytes { get; private set; }

        public long CachedBytes { get; private set; }

        public long FreeBytes { get; private set; }

        public long MemoryLimit { get; private set; }

        // False: one of the heaps has none.
        public bool HasLimit { get; private set; } = true;

        public long PeakMappedBytes { get; private set; }

        public long LiveBlocks { get; private set; }

        public long FailedAllocations { get; private set; }

        public void Add(HeapStatistics statistics)
        {
            MappedBytes += statistics.MappedBytes;
            InUseBytes += statistics.InUseBytes;
            CachedBytes += statistics.CachedBytes;
            FreeBytes += statistics.FreeBytes;
            MemoryLimit += statistics.MemoryLimit;
            HasLimit &= statistics.MemoryLimit != 0;
            PeakMappedBytes += statistics.PeakMappedBytes;
            LiveBlocks += statistics.LiveBlocks;
            FailedAllocations += statistics.FailedAllocations;
        }
    }
}
