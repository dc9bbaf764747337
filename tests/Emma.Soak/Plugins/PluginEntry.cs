namespace Emma.Soak;

/// <summary>
/// What copies of this assembly do in load contexts of their own: see <see cref="Plugin"/>. Speaks in plain types. Each copy has its own
/// statics.
/// </summary>
public static unsafe class PluginEntry
{
    private const nuint MaxLiveBytes = 4 << 20;

    private static Thread[] s_threads = [];
    private static volatile bool s_stop;
    private static string s_failure = "";
    private static long s_steps;

    public static nuint OneBlock(ulong pattern)
    {
        nuint block = (nuint)PlainHeap.Alloc(200);
        Contents.Write(block, 200, pattern);
        return block;
    }

    public static nuint Nothing(ulong seed) => (nuint)(seed * 0);

    /// <summary>Allocates and frees on the calling thread and leaves blocks of every kind live.</summary>
    /// <returns>The address of one.</returns>
    public static nuint Use(ulong seed)
    {
        var worker = new Worker("plugin", seed, [HeapKind.Plain], MaxLiveBytes);
        worker.Run(300);
        worker.CheckAll();
        PlainHeap.Alloc(3 << 20);
        return OneBlock(seed);
    }

    /// <summary>Whether an address is the heap's.</summary>
    public static bool Owns(nuint address) => PlainHeap.Owns((void*)address);

    /// <summary>Calls back from inside the plugin, and checks afterwards what it had allocated before.</summary>
    public static bool KeepWhile(Action wait)
    {
        nuint block = OneBlock(5);
        wait();
        bool kept = Contents.FirstDifference(block, 200, 5, 200) < 0;
        PlainHeap.Free((void*)block);
        return kept;
    }

    /// <summary>Begins to use the heap on threads of the plugin's own.</summary>
    public static void Start(int threads, ulong seed)
    {
        s_threads = Enumerable.Range(0, threads).Select(i => new Thread(() => UseUntilStopped(seed + (ulong)i))).ToArray();
        Array.ForEach(s_threads, thread => thread.Start());
    }

    /// <summary>Steps that the plugin's threads have done.</summary>
    public static long Steps() => Interlocked.Read(ref s_steps);

    /// <summary>Waits for the plugin's threads, which leave their blocks live.</summary>
    /// <returns>What went wrong; empty if nothing did.</returns>
    public static string Stop()
    {
        s_stop = true;
        Array.ForEach(s_threads, thread => thread.Join());
        return s_failure;
    }

    private static void UseUntilStopped(ulong seed)
    {
        const int steps = 200;
        try
        {
            var worker = new Worker("plugin", seed, [HeapKind.Plain], MaxLiveBytes);
            while (!s_stop)
            {
                worker.Run(steps);
                Interlocked.Add(ref s_steps, steps);
            }

            worker.CheckAll();
        }
        catch (Exception exception)
        {
            s_failure = exception.ToString();
        }
    }
}
