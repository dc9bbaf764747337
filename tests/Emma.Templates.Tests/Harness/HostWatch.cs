using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Emma.Hosting;
using HeapOfHost = Emma.Hosting.EmmaHeap;

namespace Emma.Templates.Tests;

/// <summary>
/// A host that watches heaps from a thread of its own for as long as this lives: it collects their metrics, and reads what can be read of
/// each. It changes nothing. Heaps that go are read until they are gone, and while they go.
/// </summary>
public sealed class HostWatch : IDisposable
{
    // So that it makes little garbage: nothing may be collected while a process is forked, or threads die.
    private const int MillisecondsBetweenRounds = 4;

    private static HostWatch? s_current;

    private readonly IEnumerable<HeapOfHost> _found;
    private readonly HeapMetrics _metrics;
    private readonly MeterListener _listener = new MeterListener();
    private readonly HashSet<HeapOfHost> _heaps = [];
    private readonly Thread _thread;
    private Exception? _failure;
    private long _measurements;
    private int _rounds;
    private bool _done;

    /// <summary>Begins to watch every heap of the process, as they come and go.</summary>
    public HostWatch()
        : this(AssemblyLoadContext.All.SelectMany(HeapOfHost.In), HeapMetrics.Watch())
    {
    }

    /// <summary>Begins to watch one heap.</summary>
    /// <param name="heap">The type of the heap's class.</param>
    public HostWatch(Type heap)
        : this(HeapOfHost.In(heap.Assembly).Where(found => found.Name == heap.FullName).ToArray())
    {
    }

    private HostWatch(HeapOfHost[] heaps)
        : this(heaps, HeapMetrics.Watch(heaps))
    {
    }

    // All that it runs has run once when this returns.
    private HostWatch(IEnumerable<HeapOfHost> found, HeapMetrics metrics)
    {
        _found = found;
        _metrics = metrics;
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == HeapMetrics.MeterName)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, value, _, _) =>
        {
            _measurements++;
            if (value < 0)
                throw new InvalidDataException($"a figure is {value}");
        });
        _listener.Start();
        _thread = new Thread(WatchUntilDone) { IsBackground = true };
        _thread.Start();
        Patience.Until(() => Volatile.Read(ref _rounds) > 1 || _failure is not null, "the host has looked twice");
        s_current = this;
    }

    /// <summary>
    /// Waits until the host, if there is one, has looked once more and sleeps: for as long as it looks at a heap it keeps the heap's
    /// assembly, and on a busy machine, or the first time, that is for long.
    /// </summary>
    public static void AwaitRound()
    {
        if (s_current is not { } watch)
            return;

        int before = Volatile.Read(ref watch._rounds);
        Patience.Until(() => Volatile.Read(ref watch._rounds) != before || Volatile.Read(ref watch._failure) is not null,
            "the host has looked once more");
    }

    /// <summary>Ends it.</summary>
    /// <exception cref="InvalidDataException">What the host did has failed, or has measured nothing.</exception>
    public void Dispose()
    {
        s_current = null;
        Volatile.Write(ref _done, true);
        _thread.Join();
        _listener.Dispose();
        _metrics.Dispose();
        if (_failure is not null || _measurements == 0)
            throw new InvalidDataException($"the host took {_measurements} measurements in {_rounds} rounds", _failure);
    }

    private void WatchUntilDone()
    {
        try
        {
            while (!Volatile.Read(ref _done))
            {
                Look();
                Volatile.Write(ref _rounds, _rounds + 1);
                Thread.Sleep(MillisecondsBetweenRounds);
            }
        }
        catch (Exception exception)
        {
            Volatile.Write(ref _failure, exception);
        }
    }

    // In a method of its own, so that nothing of a plugin is in the frame of a thread that sleeps.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Look()
    {
        _heaps.UnionWith(_found);
        _listener.RecordObservableInstruments();
        foreach (HeapOfHost heap in _heaps)
            Read(heap);
        _heaps.RemoveWhere(heap => heap.IsUnloaded);
    }

    private static void Read(HeapOfHost heap)
    {
        Hosting.HeapStatistics statistics = heap.GetStatistics();
        if (statistics.PeakMappedBytes < statistics.MappedBytes || heap.Owns((nuint)1) || heap.MemoryLimit < 0)
            throw new InvalidDataException($"{heap}: {statistics}");
        _ = heap.OutOfMemoryHandler;
    }
}
