using System.Runtime.CompilerServices;

namespace Emma.Soak;

/// <summary>Plugins with heaps of their own, loaded, used and unloaded.</summary>
public sealed class UnloadTests
{
    // What users run: methods of collectible contexts are compiled as they are by default.
    private static readonly (string, string)[] s_defaults = [("DOTNET_TieredCompilation", "1"), ("DOTNET_gcConcurrent", "1")];

    // Compiled without optimization, which takes a third of the time: more plugins.
    private static readonly (string, string)[] s_fast = [("DOTNET_TieredCompilation", "0"), ("DOTNET_JITMinOpts", "1")];

    // 128 + SIGABRT: how the runtime ends a process whose managed code touches memory that is not mapped.
    private const int Aborted = 134;

    // 128 + SIGSEGV: how the kernel ends one whose native code does.
    private const int Faulted = 139;

    [Fact]
    public void Plugins_that_come_and_go_leave_nothing_behind() => Child.MustSucceed(ManyPlugins, s_fast);

    [Fact]
    public void Plugins_that_come_and_go_while_a_host_watches_leave_nothing_behind() =>
        Child.MustSucceed([.. ManyPlugins, "--watched"], s_fast);

    private static string[] ManyPlugins => ["unload", "--times", $"{Length.Of(30, 200)}", "--seconds", $"{Length.Of(3, 12)}"];

    [Theory]
    [InlineData("read", Aborted)]
    [InlineData("write", Aborted)]
    [InlineData("copy", Faulted)]
    public void A_block_that_outlives_its_plugin_faults(string how, int expected)
    {
        (int exitCode, string output) = Child.Run(["stale", how], s_defaults);
        Assert.True(exitCode == expected, $"exit code {exitCode}\n{output}");
        Assert.Contains(StaleBlock.Announcement, output);
        Assert.DoesNotContain(StaleBlock.Survived, output);
    }

    [Fact]
    public void A_stopped_thread_with_a_cache_of_the_plugin_does_not_keep_it_loaded()
    {
        using var crew = new Crew(2);
        nuint[] first = UseAndUnload(crew, 1, out WeakReference alive);
        AssertGone(alive, first);

        // Its threads still have a word in their control blocks for the first plugin; the second is given the same key.
        nuint[] second = UseAndUnload(crew, 2, out alive);
        AssertGone(alive, second);
    }

    [Fact]
    public void A_thread_stopped_inside_the_plugin_keeps_its_heap_whole_until_it_leaves()
    {
        using var inside = new SemaphoreSlim(0);
        using var leave = new SemaphoreSlim(0);
        bool kept = false;
        (WeakReference alive, nuint block, Thread thread) = EnterAndUnload(inside, leave, value => kept = value);
        for (int i = 0; i < 5; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Assert.True(alive.IsAlive && ProcessMaps.IsMapped(block));
        }

        leave.Release();
        thread.Join();
        Assert.True(kept);
        AssertGone(alive, [block]);
    }

    [Fact]
    public void A_plugin_is_unloaded_while_others_use_their_heaps_under_full_load()
    {
        var others = new Plugin[3];
        for (int i = 0; i < others.Length; i++)
        {
            others[i] = new Plugin();
            others[i].Start(2, (ulong)i * 100 + 1);
        }

        using var crew = new Crew(2);
        for (ulong round = 0; round < 3; round++)
        {
            long[] before = Array.ConvertAll(others, other => other.Steps());
            nuint[] addresses = UseAndUnload(crew, 1000 + round, out WeakReference alive);
            AssertGone(alive, addresses);
            // None of them stood still.
            for (int i = 0; i < others.Length; i++)
                Patience.Until(() => others[i].Steps() > before[i], "others[i].Steps() > before[i]");
        }

        foreach (Plugin other in others)
        {
            Assert.Equal("", other.Stop());
            other.Unload();
        }
    }

    private static void AssertGone(WeakReference alive, nuint[] addresses)
    {
        Assert.True(Plugin.CollectUntil(() => !alive.IsAlive) <= Plugin.MostCollections, "the load context is still there");
        int collections = Plugin.CollectUntil(() => !Array.Exists(addresses, ProcessMaps.IsMapped));
        Assert.True(collections <= Plugin.MostCollections,
            $"one of {string.Join(", ", addresses.Select(address => $"0x{address:x}"))} is still mapped");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static nuint[] UseAndUnload(Crew crew, ulong seed, out WeakReference alive)
    {
        var plugin = new Plugin();
        alive = plugin.Alive;
        Func<ulong, nuint> use = plugin.Use;
        nuint[] addresses = new nuint[2];
        crew.Do(number => addresses[number] = use(seed * 10 + (ulong)number));
        Assert.All(addresses, address => Assert.True(ProcessMaps.IsMapped(address)));
        plugin.Unload();
        return addresses;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (WeakReference Alive, nuint Block, Thread Thread) EnterAndUnload(SemaphoreSlim inside, SemaphoreSlim leave,
        Action<bool> kept)
    {
        var plugin = new Plugin();
        Func<Action, bool> keepWhile = plugin.KeepWhile;
        var thread = new Thread(() => kept(keepWhile(() =>
        {
            inside.Release();
            leave.Wait();
        })));
        nuint block = plugin.OneBlock(7);
        thread.Start();
        inside.Wait();
        plugin.Unload();
        return (plugin.Alive, block, thread);
    }
}
