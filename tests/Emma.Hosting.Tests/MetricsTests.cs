using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Emma.Hosting.Tests;

public sealed class MetricsTests
{
    private const long MiB = 1 << 20;

    [Fact]
    public void Instruments_have_the_names_the_units_and_the_kinds_that_OpenTelemetry_asks_for()
    {
        using HeapMetrics metrics = HeapMetrics.Watch([]);
        using Listener listener = new();

        Assert.Equal(
            [
                "ObservableCounter emma.heap.allocation_failures {failure}",
                "ObservableGauge emma.heap.memory.peak By",
                "ObservableUpDownCounter emma.heap.blocks {block}",
                "ObservableUpDownCounter emma.heap.memory.cached By",
                "ObservableUpDownCounter emma.heap.memory.free By",
                "ObservableUpDownCounter emma.heap.memory.in_use By",
                "ObservableUpDownCounter emma.heap.memory.limit By",
                "ObservableUpDownCounter emma.heap.memory.mapped By",
            ],
            listener.Instruments.Select(one => $"{one.GetType().Name.Split('`')[0]} {one.Name} {one.Unit}").Order(StringComparer.Ordinal));
        Assert.All(listener.Instruments, instrument => Assert.False(string.IsNullOrEmpty(instrument.Description)));
    }

    [Fact]
    public void Every_heap_of_a_context_is_measured_and_the_figures_of_a_round_belong_together()
    {
        using Plugin plugin = new("measured");
        using HeapMetrics metrics = HeapMetrics.Watch(plugin.Context);
        using Listener listener = new();
        foreach (string form in Plugin.Forms)
            plugin.Alloc(form, 3 * (nint)MiB);
        plugin.TryAlloc(Plugin.Limited, 80 * (nint)MiB);
        listener.Collect();

        foreach (string form in Plugin.Forms)
        {
            HeapStatistics statistics = plugin.Heap(form).GetStatistics();
            Assert.Equal(statistics.MappedBytes, listener.Of("emma.heap.memory.mapped", "measured")[form]);
            Assert.Equal(statistics.InUseBytes, listener.Of("emma.heap.memory.in_use", "measured")[form]);
            Assert.Equal(statistics.CachedBytes, listener.Of("emma.heap.memory.cached", "measured")[form]);
            Assert.Equal(statistics.FreeBytes, listener.Of("emma.heap.memory.free", "measured")[form]);
            Assert.Equal(statistics.PeakMappedBytes, listener.Of("emma.heap.memory.peak", "measured")[form]);
            Assert.Equal(1, listener.Of("emma.heap.blocks", "measured")[form]);
            Assert.Equal(form == Plugin.Limited ? 1 : 0, listener.Of("emma.heap.allocation_failures", "measured")[form]);
        }

        Assert.Equal(new() { [Plugin.Limited] = 40 * MiB }, listener.Of("emma.heap.memory.limit", "measured"));
        Assert.All(listener.Measurements, one => Assert.Equal("Emma.Hosting.Plugin", one.Tags["emma.heap.assembly"]));

        // Another round, other figures.
        plugin.Alloc(Plugin.Plain, 5 * (nint)MiB);
        listener.Collect();
        Assert.Equal(2, listener.Of("emma.heap.blocks", "measured")[Plugin.Plain]);
    }

    [Fact]
    public void Heaps_of_equal_attributes_are_added_up()
    {
        using Plugin one = new("twin");
        using Plugin other = new("twin");
        one.Heap(Plugin.Plain).MemoryLimit = 10 * MiB;
        one.Alloc(Plugin.Plain, 100);
        other.Alloc(Plugin.Plain, 100);
        using HeapMetrics metrics = HeapMetrics.Watch([one.Heap(Plugin.Plain), other.Heap(Plugin.Plain)]);
        using Listener listener = new();
        listener.Collect();
        Assert.Equal(2, listener.Of("emma.heap.blocks", "twin")[Plugin.Plain]);
        Assert.Empty(listener.Of("emma.heap.memory.limit", "twin"));

        other.Heap(Plugin.Plain).MemoryLimit = 20 * MiB;
        listener.Collect();
        Assert.Equal(30 * MiB, listener.Of("emma.heap.memory.limit", "twin")[Plugin.Plain]);
    }

    [Fact]
    public void All_heaps_of_the_process_are_watched_as_they_come_and_until_the_watch_ends()
    {
        HeapMetrics metrics = HeapMetrics.Watch();
        using Listener listener = new();
        using Plugin plugin = new("late");
        listener.Collect();
        Assert.Equal(Plugin.Forms.Order(), listener.Of("emma.heap.memory.mapped", "late").Keys.Order());
        Assert.Contains("Emma.Hosting.Tests.OwnHeap", listener.Of("emma.heap.memory.mapped", "Default").Keys);

        metrics.Dispose();
        listener.Collect();
        Assert.Empty(listener.Measurements);
    }

    [Fact]
    public void A_heap_that_is_gone_is_reported_no_more()
    {
        using Listener listener = new();
        List<HeapMetrics> watches = [];
        WeakReference context = Plugin.UseAndUnload(
            plugin =>
            {
                plugin.Alloc(Plugin.Plain, 100);
                watches.Add(HeapMetrics.Watch(plugin.Context));
                watches.Add(HeapMetrics.Watch(EmmaHeap.In(plugin.Assembly)));
                listener.Collect();
                Assert.NotEmpty(listener.Measurements);
            },
            "gone");
        Plugin.CollectUntil(() => !context.IsAlive, "the context is gone while it is watched");
        listener.Collect();
        Assert.Empty(listener.Measurements);
        watches.ForEach(watch => watch.Dispose());
    }

    [Fact]
    public void A_meter_factory_makes_the_meter()
    {
        using Plugin plugin = new("factory");
        using Factory factory = new();
        HeapMetrics.Watch(plugin.Context, factory);
        Assert.Equal(HeapMetrics.MeterName, Assert.Single(factory.Made).Name);
    }

    [Fact]
    public void OpenTelemetry_exports_the_figures()
    {
        using Plugin plugin = new("exported");
        nint block = plugin.Alloc(Plugin.Plain, 3 * (nint)MiB);
        using HeapMetrics metrics = HeapMetrics.Watch(plugin.Context);
        List<Metric> exported = [];
        using MeterProvider provider = Sdk.CreateMeterProviderBuilder()
            .AddMeter(HeapMetrics.MeterName)
            .AddInMemoryExporter(exported)
            .Build();
        Assert.True(provider.ForceFlush());

        Assert.Equal(8, exported.Select(metric => metric.Name).Distinct().Count());
        Metric inUse = exported.Single(metric => metric.Name == "emma.heap.memory.in_use");
        Assert.Equal((MetricType.LongSumNonMonotonic, "By"), (inUse.MetricType, inUse.Unit));
        Assert.Equal(plugin.Heap(Plugin.Plain).GetStatistics().InUseBytes, PointOf(inUse, Plugin.Plain));
        Assert.Equal(MetricType.LongSum, exported.Single(metric => metric.Name == "emma.heap.allocation_failures").MetricType);
        Assert.Equal(MetricType.LongGauge, exported.Single(metric => metric.Name == "emma.heap.memory.peak").MetricType);

        plugin.Free(Plugin.Plain, block);
        exported.Clear();
        Assert.True(provider.ForceFlush());
        Assert.Equal(0, PointOf(exported.Single(metric => metric.Name == "emma.heap.blocks"), Plugin.Plain));
    }

    private static long PointOf(Metric metric, string heap)
    {
        foreach (ref readonly MetricPoint point in metric.GetMetricPoints())
        {
            foreach (KeyValuePair<string, object?> tag in point.Tags)
            {
                if (tag.Key == "emma.heap.name" && Equals(tag.Value, heap))
                    return metric.MetricType == MetricType.LongGauge ? point.GetGaugeLastValueLong() : point.GetSumLong();
            }
        }

        throw new InvalidOperationException($"{metric.Name} has no point of {heap}.");
    }

    // As dependency injection provides one.
    private sealed class Factory : IMeterFactory
    {
        public List<Meter> Made { get; } = [];

        public Meter Create(MeterOptions options)
        {
            Made.Add(new Meter(options));
            return Made[^1];
        }

        public void Dispose() => Made.ForEach(meter => meter.Dispose());
    }
}
