using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using Emma.Soak;

namespace Emma.Hosting.Tests;

/// <summary>A host's view keeps no plugin alive, and bears its end at any moment.</summary>
public sealed class UnloadTests(ITestOutputHelper output)
{
    private const long MiB = 1 << 20;

    [Fact]
    public void A_plugin_whose_heaps_the_host_has_used_in_every_way_goes_with_its_memory()
    {
        List<EmmaHeap> kept = [];
        nuint block = 0;
        WeakReference context = Plugin.UseAndUnload(plugin =>
        {
            foreach (EmmaHeap heap in EmmaHeap.In(plugin.Context))
            {
                UseEveryMember(heap);
                heap.OutOfMemoryHandler = wanted => heap.MemoryLimit == (long)wanted;
                kept.Add(heap);
                block = (nuint)plugin.Alloc(heap.Name, 5 * (nint)MiB);
                Assert.Equal(0, plugin.TryAlloc(heap.Name, 500 * (nint)MiB));
            }
        });
        Plugin.CollectUntil(() => !context.IsAlive && !ProcessMaps.IsMapped(block), "the plugin and its memory are gone");

        Assert.Equal(Plugin.Forms.Length, kept.Count);
        Assert.All(kept, AssertGone);
    }

    /// <summary>An operation that has begun sees a living heap to its end; one that comes later sees none. Nothing else happens.</summary>
    [Fact]
    public void Every_member_races_with_unloading_and_collections()
    {
        List<EmmaHeap> heaps = [];
        int round = 0;
        bool done = false;
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
        {
            try
            {
                while (!Volatile.Read(ref done))
                {
                    foreach (EmmaHeap heap in Volatile.Read(ref heaps))
                        UseEveryMember(heap);
                }
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        List<WeakReference> contexts = [];
        try
        {
            for (; round < Length.Of(10, 40); round++)
            {
                contexts.Add(Plugin.UseAndUnload(plugin =>
                {
                    // In the fast form one heap starts in each round, and is used; else each does.
                    foreach (string form in Length.IsLong ? Plugin.Forms : [Plugin.Forms[round % Plugin.Forms.Length]])
                        plugin.Alloc(form, 1000);
                    int used = round % Plugin.Forms.Length;
                    Volatile.Write(ref heaps, [.. EmmaHeap.In(plugin.Assembly).Where((_, i) => Length.IsLong || i == used)]);
                }));
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
        finally
        {
            Volatile.Write(ref done, true);
            Array.ForEach(threads, thread => thread.Join());
        }

        Assert.True(failure is null, $"round {round}: {failure}");
        Plugin.CollectUntil(() => !contexts.Exists(context => context.IsAlive), "all contexts are gone");
        Assert.All(heaps, AssertGone);
    }

    /// <summary>Thousands in the long form; EMMA_PLUGINS is another number of them.</summary>
    [Fact]
    public void Many_plugins_come_and_go_and_nothing_of_them_stays()
    {
        int many = int.TryParse(Environment.GetEnvironmentVariable("EMMA_PLUGINS"), out int wanted) ? wanted : Length.Of(100, 2000);
        const int atOnce = 20;
        using HeapMetrics metrics = HeapMetrics.Watch();
        using Listener listener = new();
        List<EmmaHeap> kept = [];
        List<Footprint> footprints = [];
        Churn(atOnce, kept, listener);
        long managed = ManagedBytes();
        int codePages = ProcessMaps.CodePages().Count;
        for (int i = 0; i < many; i += atOnce)
        {
            kept.Clear();
            Churn(atOnce, kept, listener);
            footprints.Add(Footprint.Take());
        }

        long grown = ManagedBytes() - managed;
        Assert.True(grown < 100_000 + many * 20, $"{many} plugins left {grown} bytes of managed memory.");
        Assert.True(ProcessMaps.CodePages().Count <= codePages, "code pages are left");
        Assert.All(kept, AssertGone);
        // No instrument's tags either.
        listener.Collect();
        Assert.DoesNotContain(listener.Measurements, one => one.Tags["emma.heap.context"] is string context && context.StartsWith("many"));
        AssertFlat(footprints);
    }

    // The last quarter of a run against its second quarter, on average: as where nobody watches (UnloadRun of Emma.Soak).
    private void AssertFlat(List<Footprint> footprints)
    {
        int quarter = footprints.Count / 4;
        List<Footprint> early = footprints.GetRange(quarter, quarter);
        List<Footprint> late = footprints.GetRange(footprints.Count - quarter, quarter);
        double mappings = late.Average(f => f.Mappings) - early.Average(f => f.Mappings);
        double addresses = (late.Average(f => f.VmSize) - early.Average(f => f.VmSize)) / MiB;
        double memory = (late.Average(f => f.VmRss) - early.Average(f => f.VmRss)) / MiB;
        string figures = string.Create(
            CultureInfo.InvariantCulture,
            $"VmRSS {footprints[0].VmRss >> 10} KiB after the first, {footprints[^1].VmRss >> 10} KiB after the last; last quarter " +
            $"against second: {mappings:+0.0;-0.0} mappings, VmSize {addresses:+0.0;-0.0} MiB, VmRSS {memory:+0.0;-0.0} MiB");
        output.WriteLine(figures);
        Assert.True(mappings <= 20 && addresses <= 32 && memory <= 6, figures);
    }

    private static void Churn(int count, List<EmmaHeap> kept, Listener listener)
    {
        List<WeakReference> contexts = [];
        for (int i = 0; i < count; i++)
            contexts.Add(UseOne(i, kept, listener));
        Plugin.CollectUntil(() => !contexts.Exists(context => context.IsAlive), "all contexts are gone");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference UseOne(int number, List<EmmaHeap> kept, Listener listener) => Plugin.UseAndUnload(
        plugin =>
        {
            EmmaHeap heap = plugin.Heap(Plugin.Plain);
            heap.OutOfMemoryHandler = wanted => heap.GetStatistics().MappedBytes > (long)wanted;
            // A start takes a tenth of a second.
            if (number % 10 == 0)
                plugin.Alloc(heap.Name, 1000);
            UseEveryMember(heap);
            kept.Add(heap);
            if (number % 10 == 0)
                listener.Collect();
        },
        $"many {number}");

    private static long ManagedBytes()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return GC.GetTotalMemory(forceFullCollection: true);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void UseEveryMember(EmmaHeap heap)
    {
        heap.MemoryLimit = 64 * MiB;
        long limit = heap.MemoryLimit;
        Assert.True(limit is 64 * MiB or 0);
        HeapStatistics statistics = heap.GetStatistics();
        Assert.True(statistics.MemoryLimit is 64 * MiB or 0);
        Assert.False(heap.Owns(1));
        heap.Trim();
        heap.OutOfMemoryHandler = null;
        // Another thread may do the same.
        Assert.Null(heap.OutOfMemoryHandler);
        Assembly? assembly = heap.Assembly;
        Assert.True(assembly is null || EmmaHeap.In(assembly).Contains(heap));
        Assert.True(assembly is null || !heap.IsUnloaded);
        GC.KeepAlive(assembly);
    }

    private static void AssertGone(EmmaHeap heap)
    {
        Assert.True(heap.IsUnloaded);
        Assert.Null(heap.Assembly);
        Assert.Equal(default, heap.GetStatistics());
        heap.MemoryLimit = 1;
        Assert.Equal(0, heap.MemoryLimit);
        heap.OutOfMemoryHandler = _ => true;
        Assert.Null(heap.OutOfMemoryHandler);
        Assert.Equal(0u, heap.Trim());
        Assert.False(heap.Owns(1));
        Assert.StartsWith("Forms.", heap.Name);
        Assert.Equal("Emma.Hosting.Plugin", heap.AssemblyName);
        Assert.NotNull(heap.Options.Hardened);
    }
}
