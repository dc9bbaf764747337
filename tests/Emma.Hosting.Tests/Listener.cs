using System.Diagnostics.Metrics;

namespace Emma.Hosting.Tests;

/// <summary>Listens to the meter, as monitoring tools do.</summary>
internal sealed class Listener : IDisposable
{
    private readonly MeterListener _listener = new();

    public Listener()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == HeapMetrics.MeterName)
            {
                Instruments.Add(instrument);
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            Measurements.Add(new Reading(instrument.Name, value, tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value))));
        _listener.Start();
    }

    public List<Instrument> Instruments { get; } = [];

    public List<Reading> Measurements { get; } = [];

    /// <summary>Asks every instrument anew.</summary>
    public void Collect()
    {
        Measurements.Clear();
        _listener.RecordObservableInstruments();
    }

    /// <summary>The values of an instrument for heaps of a context, by the heap's name.</summary>
    public Dictionary<string, long> Of(string instrument, string context) => Measurements
        .Where(one => one.Instrument == instrument && Equals(one.Tags["emma.heap.context"], context))
        .ToDictionary(one => (string)one.Tags["emma.heap.name"]!, one => one.Value);

    public void Dispose() => _listener.Dispose();
}

/// <summary>One measurement.</summary>
internal sealed record Reading(string Instrument, long Value, Dictionary<string, object?> Tags);
