using System.Diagnostics.Metrics;
using Emma.Hosting;

namespace Consumer.Memory;

// The program's own heap as a host sees it, however the program is built.
internal static unsafe partial class Workout
{
    static partial void CheckHost()
    {
        EmmaHeap heap = EmmaHeap.In(typeof(Workout).Assembly).Single(heap => heap.Name == "Consumer.Memory.WorkoutHeap");
        void* block = WorkoutHeap.Alloc(3 << 20);
        HeapStatistics statistics = heap.GetStatistics();
        Expect(
            statistics.LiveBlocks == WorkoutHeap.GetStatistics().LiveBlocks && statistics.InUseBytes >= 3 << 20,
            "the host sees other figures than the heap's");
        Expect(heap.Owns(block) && !heap.Owns(&statistics), "the host is told wrongly what the heap owns");
        Expect(heap.Options is { BoundaryChecks: false, Hardened: false, MemoryLimit: 0, ThreadCache: true }, "the options are others");
        Expect(!heap.IsUnloaded && heap.Version.Major + heap.Version.Minor > 0, "the heap is gone, or of no version");

        long asked = 0;
        heap.MemoryLimit = 16 << 20;
        heap.OutOfMemoryHandler = wanted => (asked += (long)wanted) < 0;
        Expect(WorkoutHeap.TryAlloc(32 << 20) == null && asked == 32 << 20, "the host was not asked at its limit");
        Expect(heap.GetStatistics().FailedAllocations == statistics.FailedAllocations + 1, "the failure was not counted");
        Expect(Measure("emma.heap.memory.limit") == 16 << 20, "the limit is not measured");
        Expect(Measure("emma.heap.blocks") == statistics.LiveBlocks, "the blocks are not measured");
        heap.OutOfMemoryHandler = null;
        heap.MemoryLimit = 0;
        WorkoutHeap.Free(block);
        Expect(heap.Trim() > 0, "the host's trim gave nothing back");
    }

    private static long Measure(string name)
    {
        using HeapMetrics metrics = HeapMetrics.Watch();
        using MeterListener listener = new();
        long measured = -1;
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Name == name)
                own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                if (tag.Key == "emma.heap.name" && Equals(tag.Value, "Consumer.Memory.WorkoutHeap"))
                    measured = value;
            }
        });
        listener.Start();
        listener.RecordObservableInstruments();
        return measured;
    }
}
