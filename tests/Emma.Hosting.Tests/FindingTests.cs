using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Loader;

namespace Emma.Hosting.Tests;

/// <summary>Heaps are found by what the metadata say, and nothing of the plugin runs.</summary>
public sealed class FindingTests
{
    [Fact]
    public void Every_heap_of_an_assembly_is_found_and_nothing_of_it_runs()
    {
        int starts = Plugin.Starts;
        using Plugin plugin = new("finding");
        IReadOnlyList<EmmaHeap> heaps = EmmaHeap.In(plugin.Assembly);

        Assert.Equal(Plugin.Forms.Order(), heaps.Select(heap => heap.Name).Order());
        Assert.All(heaps, heap =>
        {
            Assert.Equal("Emma.Hosting.Plugin", heap.AssemblyName);
            Assert.Equal("finding", heap.ContextName);
            Assert.Same(plugin.Assembly, heap.Assembly);
            Assert.Equal(typeof(EmmaHeap).Assembly.GetName().Version, heap.Version);
            Assert.False(heap.IsUnloaded);
            Assert.Equal($"{heap.Name} of Emma.Hosting.Plugin", heap.ToString());
            Assert.NotNull(heap.Options.BoundaryChecks);
        });
        Assert.Equal(starts, Plugin.Starts);

        Assert.Equal(0, heaps[0].GetStatistics().MappedBytes);
        Assert.Equal(starts + 1, Plugin.Starts);
    }

    /// <summary>A plugin's initializer may wait for a thread that uses the host's library and other heaps.</summary>
    [Fact]
    public void Module_initializers_run_outside_any_lock()
    {
        using Plugin other = new("other");
        other.Alloc(Plugin.Plain, 1000);
        using Plugin plugin = new("waits");
        using HeapMetrics metrics = HeapMetrics.Watch([plugin.Heap(Plugin.Plain), other.Heap(Plugin.Plain)]);
        using Listener listener = new();
        int waited = 0;
        Action wait = () =>
        {
            Thread thread = new(() =>
            {
                Assert.NotEmpty(EmmaHeap.In(plugin.Assembly));
                Assert.Equal(1, other.Heap(Plugin.Plain).GetStatistics().LiveBlocks);
                other.Heap(Plugin.Plain).Trim();
            });
            thread.Start();
            Patience.Join(thread, "the thread that a module initializer waits for has ended");
            waited++;
        };
        try
        {
            AppContext.SetData("Emma.Hosting.Plugin.OnStart", wait);
            listener.Collect();
        }
        finally
        {
            AppContext.SetData("Emma.Hosting.Plugin.OnStart", null);
        }

        Assert.Equal(1, waited);
        Assert.Equal(1, listener.Of("emma.heap.blocks", "other")[Plugin.Plain]);
    }

    [Fact]
    public void The_same_heap_is_the_same_object_each_time()
    {
        using Plugin plugin = new();

        Assert.Equal(EmmaHeap.In(plugin.Assembly), EmmaHeap.In(plugin.Context));
        Assert.Same(EmmaHeap.In(plugin.Assembly)[0], EmmaHeap.In(plugin.Assembly)[0]);
    }

    [Fact]
    public void Options_are_those_of_the_attribute_and_which_of_them_are_defaults()
    {
        using Plugin plugin = new();
        HeapOptions plain = plugin.Heap(Plugin.Plain).Options;
        Assert.Equal((false, false, 0, false, true), Values(plain));
        Assert.Equal(["BoundaryChecks", "Hardened", "MemoryLimit", "Public", "ThreadCache"], plain.Defaults.Order());

        HeapOptions locked = plugin.Heap("Forms.Locked").Options;
        Assert.Equal((false, false, 0, false, false), Values(locked));
        Assert.DoesNotContain("ThreadCache", locked.Defaults);

        HeapOptions checkedHeap = plugin.Heap("Forms.Checked").Options;
        Assert.Equal((true, false, 0, true, true), Values(checkedHeap));
        Assert.Equal(["Hardened", "MemoryLimit", "ThreadCache"], checkedHeap.Defaults.Order());

        HeapOptions hardened = plugin.Heap("Forms.Hardened").Options;
        Assert.Equal((true, true, 0, false, true), Values(hardened));

        HeapOptions limited = plugin.Heap(Plugin.Limited).Options;
        Assert.Equal((false, false, 40 << 20, false, true), Values(limited));
        Assert.DoesNotContain("MemoryLimit", limited.Defaults);
    }

    [Fact]
    public void An_assembly_without_heaps_has_none_and_so_has_one_that_is_built_by_reflection()
    {
        Assert.Empty(EmmaHeap.In(typeof(object).Assembly));
        Assert.Empty(EmmaHeap.In(typeof(EmmaHeap).Assembly));
        AssemblyBuilder built = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName("Built"), AssemblyBuilderAccess.RunAndCollect);
        Assert.Empty(EmmaHeap.In(built));
        Assert.Throws<ArgumentNullException>(() => EmmaHeap.In((Assembly)null!));
        Assert.Throws<ArgumentNullException>(() => EmmaHeap.In((AssemblyLoadContext)null!));
    }

    /// <summary>A version that a host of today does not know: found and named; what it lacks says so and names both versions.</summary>
    [Fact]
    public void A_heap_of_another_version_is_found_and_named_and_what_it_lacks_names_both_versions()
    {
        AssemblyLoadContext context = new("other", isCollectible: true);
        const string text = "Old.Heap+HeapInternals+HostEntry; 7.8.9.0; Novel=9";
        EmmaHeap heap = Assert.Single(EmmaHeap.In(context.LoadFromStream(BuildOther(text))));
        Assert.Equal("Old.Heap", heap.Name);
        Assert.Equal(new Version(7, 8, 9, 0), heap.Version);
        Assert.Null(heap.Options.Hardened);
        Assert.Null(heap.Options.MemoryLimit);
        Assert.Empty(heap.Options.Defaults);
        // The one member that it has, of all that a host may ask for.
        Assert.Equal((nuint)17, heap.Trim());
        Action[] lacking =
        [
            () => heap.GetStatistics(), () => heap.Owns(1), () => _ = heap.MemoryLimit, () => heap.MemoryLimit = 1,
            () => _ = heap.OutOfMemoryHandler, () => heap.OutOfMemoryHandler = null,
        ];
        foreach (Action action in lacking)
        {
            string message = Assert.Throws<NotSupportedException>(action).Message;
            Assert.Contains("7.8.9.0", message);
            Assert.Contains(typeof(EmmaHeap).Assembly.GetName().Version!.ToString(), message);
        }

        context.Unload();
    }

    [Theory]
    [InlineData("")]
    [InlineData("No.Such.Type; no version")]
    public void What_cannot_be_read_is_a_heap_of_no_version(string text)
    {
        AssemblyLoadContext context = new("odd", isCollectible: true);
        EmmaHeap heap = Assert.Single(EmmaHeap.In(context.LoadFromStream(BuildOther(text))));
        Assert.Equal(new Version(0, 0), heap.Version);
        Assert.Throws<NotSupportedException>(() => heap.Trim());
        context.Unload();
    }

    private static (bool? BoundaryChecks, bool? Hardened, long? MemoryLimit, bool? Public, bool? ThreadCache) Values(HeapOptions options) =>
        (options.BoundaryChecks, options.Hardened, options.MemoryLimit, options.Public, options.ThreadCache);

    // An assembly with such a text, and a class Old.Heap whose entry has nothing but TrimAll.
    private static MemoryStream BuildOther(string text)
    {
        PersistedAssemblyBuilder assembly = new(new AssemblyName("Other"), typeof(object).Assembly);
        ConstructorInfo attribute = typeof(AssemblyMetadataAttribute).GetConstructor([typeof(string), typeof(string)])!;
        assembly.SetCustomAttribute(new CustomAttributeBuilder(attribute, ["Something.Else", "Emma.Heap"]));
        assembly.SetCustomAttribute(new CustomAttributeBuilder(attribute, ["Emma.Heap", text]));
        TypeBuilder heap = assembly.DefineDynamicModule("Other").DefineType("Old.Heap", TypeAttributes.Public);
        TypeBuilder internals = heap.DefineNestedType("HeapInternals", TypeAttributes.NestedPrivate);
        TypeBuilder entry = internals.DefineNestedType("HostEntry", TypeAttributes.NestedAssembly);
        ILGenerator code = entry.DefineMethod(
            "TrimAll", MethodAttributes.Static | MethodAttributes.Assembly, typeof(nuint), []).GetILGenerator();
        code.Emit(OpCodes.Ldc_I4, 17);
        code.Emit(OpCodes.Conv_U);
        code.Emit(OpCodes.Ret);
        heap.CreateType();
        internals.CreateType();
        entry.CreateType();
        MemoryStream stream = new();
        assembly.Save(stream);
        stream.Position = 0;
        return stream;
    }
}
