using System.Collections.Concurrent;

namespace Emma.Generator.Tests.Disassembly;

/// <summary>
/// What the just-in-time compiler makes of a call of an emitted heap in a release build: the inlined half, from the beginning of a method
/// that does nothing else to its end, where a magazine serves. The other half of that way is machine code of the heap's own, reached
/// through a pointer; or there is none, where the thread's cache is at hand already.
/// </summary>
public class FastPathTests
{
    private const string Cached = "";
    private const string Checked = ", BoundaryChecks = true";
    private const string Locked = ", ThreadCache = false";

    private static readonly ConcurrentDictionary<(string Options, string Arguments), Lazy<Dictionary<string, JitListing>>> s_runs = new();

    /// <summary>
    /// The recorded figures, of the compiler of .NET 10.0: the form of the heap, the method, instructions and conditional jumps on the way,
    /// and calls through a pointer. The method's own frame counts, from <c>push rbp</c> to <c>ret</c>. Whoever makes the code shorter
    /// records the new figures here; a method that grew has to be looked at first.
    /// </summary>
    public static TheoryData<string, string, int, int, int> Figures => new()
    {
        { Cached, "FastAlloc", 20, 2, 1 },
        { Cached, "FastAllocConstant", 10, 1, 1 },
        { Cached, "FastAllocType", 10, 1, 1 },
        { Cached, "FastAllocZeroedConstant", 16, 1, 1 },
        { Cached, "FastFree", 9, 1, 1 },
        { Cached, "FastLocalAlloc", 22, 3, 0 },
        { Cached, "FastLocalAllocConstant", 15, 2, 0 },
        { Cached, "FastLocalFree", 28, 5, 0 },
        { Checked, "FastAlloc", 20, 2, 1 },
        { Checked, "FastAllocConstant", 10, 1, 1 },
        { Checked, "FastAllocType", 10, 1, 1 },
        { Checked, "FastAllocZeroedConstant", 16, 1, 1 },
        { Checked, "FastFree", 9, 1, 1 },
        { Checked, "FastLocalAlloc", 28, 4, 0 },
        { Checked, "FastLocalAllocConstant", 21, 3, 0 },
        { Checked, "FastLocalFree", 38, 6, 0 },
    };

    public static TheoryData<string> Methods => [.. Figures.Select(figure => figure.Data.Item2).Distinct()];

    [Theory]
    [MemberData(nameof(Figures))]
    public void The_fast_half_is_as_long_as_recorded(string options, string method, int instructions, int branches, int calls) =>
        AssertFigures(Listing(options, method), instructions, branches, calls);

    /// <summary>A plugin's code is not tiered; its host's is, unless somebody says otherwise.</summary>
    [Theory]
    [MemberData(nameof(Figures))]
    public void The_fast_half_is_no_longer_in_a_collectible_load_context(
        string options, string method, int instructions, int branches, int calls)
    {
        AssertFigures(Listing(options, method, "collectible"), instructions, branches, calls);
        AssertFigures(Listing(options, method, "collectible tiered"), instructions, branches, calls);
    }

    /// <summary>
    /// Code is compiled for good in a collectible load context: what a plugin has compiled before its heap starts must not be slow ever
    /// after.
    /// </summary>
    [Theory]
    [MemberData(nameof(Figures))]
    public void The_fast_half_is_no_longer_where_it_is_compiled_before_the_heap_starts(
        string options, string method, int instructions, int branches, int calls)
    {
        AssertFigures(Listing(options, method, "early"), instructions, branches, calls);
        AssertFigures(Listing(options, method, "collectible early"), instructions, branches, calls);
        AssertFigures(Listing(options, method, "collectible early tiered"), instructions, branches, calls);
    }

    /// <summary>The method that runs first, a plugin's entry, is compiled after the module initializer has run.</summary>
    [Theory]
    [InlineData("early")]
    [InlineData("collectible early")]
    public void The_first_method_of_an_assembly_finds_the_constants_as_well(string arguments)
    {
        JitListing listing = Listing(Cached, "Run", arguments);

        Assert.Contains(listing.Instructions, IsSlowHalf);
        Assert.DoesNotContain("CORINFO_HELP", listing.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(listing.Instructions, instruction => instruction.Contains("FromStatic", StringComparison.Ordinal));
    }

    /// <summary>No helper of the runtime, which would allocate, look a static up, or throw; no lock; one slow half.</summary>
    [Theory]
    [MemberData(nameof(Figures))]
    public void Nothing_is_called_but_the_heaps_code_and_its_slow_half(
        string options, string method, int instructions, int branches, int calls)
    {
        _ = (instructions, branches, calls);
        JitListing listing = Listing(options, method);

        string[] called = [.. listing.Instructions.Where(JitListing.IsCall)];
        Assert.True(called.Count(IsSlowHalf) == 1 && called.All(call => IsSlowHalf(call) || IsThroughPointer(call)), listing.Text);
        Assert.DoesNotContain("CORINFO_HELP", listing.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(listing.Instructions, instruction => instruction.StartsWith("lock", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("FastAllocConstant", 4)]
    [InlineData("FastAllocType", 1)]
    [InlineData("FastAllocZeroedConstant", 4)]
    public void A_constant_size_is_folded_to_its_class(string method, int sizeClass)
    {
        string[] way = FastHalf(Listing(Cached, method));

        int call = Array.FindIndex(way, IsThroughPointer);
        Assert.Contains($"mov edi, {sizeClass}", way[..call]);
        AssertReadsNoTable(way);
    }

    [Fact]
    public void A_constant_size_is_folded_to_its_place_in_the_threads_cache()
    {
        string[] way = FastHalf(Listing(Cached, "FastLocalAllocConstant"));

        // 64 bytes are class 4, and the tops begin behind four words.
        Assert.Contains(
            way,
            instruction => instruction.StartsWith("mov ", StringComparison.Ordinal)
                && instruction.EndsWith(", qword ptr [rdi+0x40]", StringComparison.Ordinal));
        AssertReadsNoTable(way);
    }

    [Fact]
    public void A_size_that_is_not_constant_is_looked_up_in_a_table() =>
        Assert.Contains(FastHalf(Listing(Cached, "FastAlloc")), instruction => instruction.StartsWith("movzx ", StringComparison.Ordinal));

    [Theory]
    [MemberData(nameof(Methods))]
    public void Without_thread_caches_there_is_nothing_but_the_call_of_the_slow_half(string method)
    {
        JitListing listing = Listing(Locked, method);

        Assert.True(IsSlowHalf(Assert.Single(listing.Instructions, JitListing.IsCall)), listing.Text);
        Assert.DoesNotContain(listing.Instructions, JitListing.IsBranch);
    }

    private static void AssertFigures(JitListing listing, int instructions, int branches, int calls)
    {
        string[] way = FastHalf(listing);
        (int, int, int) actual = (way.Length, way.Count(JitListing.IsBranch), way.Count(JitListing.IsCall));
        Assert.True(
            (instructions, branches, calls) == actual,
            $"{(instructions, branches, calls)} were recorded, and it is {actual} now:\n{listing.Text}");
    }

    private static void AssertReadsNoTable(string[] way) =>
        Assert.DoesNotContain(way, instruction => instruction.StartsWith("movzx ", StringComparison.Ordinal));

    private static string[] FastHalf(JitListing listing) => listing.LongestWay(IsSlowHalf);

    private static bool IsSlowHalf(string instruction) =>
        JitListing.IsCall(instruction)
            && new[] { ":AllocSlowly(", ":AllocLocallyOrSlowly(", ":AllocZeroedSlowly(", ":Release(" }.Any(instruction.Contains);

    private static bool IsThroughPointer(string instruction) => JitListing.IsCall(instruction) && !instruction.Contains(':');

    private static JitListing Listing(string options, string method, string arguments = "")
    {
        Assert.SkipUnless(Environment.Version.Major == 10, "The figures are those of the compiler of .NET 10.");
        return s_runs
            .GetOrAdd((options, arguments), static run => new(() => JitRun.Of(run.Options, run.Arguments.Split(' '))))
            .Value[method];
    }
}
