namespace Emma.Generator.Tests.Disassembly;

/// <summary>
/// The runtime may lose a thread static of a collectible load context when a collection runs while its table of handles grows, and
/// overwrites other objects from then on (seen with .NET 10.0.12): a heap must have none there.
/// </summary>
public class ThreadStaticTests
{
    private const string Helper = "THREADSTATIC_BASE";

    /// <summary>All of a heap is compiled when it starts, so that the compiler lists all of it.</summary>
    [Theory]
    [MemberData(nameof(RunningTests.Forms), MemberType = typeof(RunningTests))]
    public void No_method_of_a_heap_in_a_collectible_load_context_finds_a_thread_static(string form)
    {
        string listing = JitRun.List("MyHeap:* MyHeap*:*", form, "collectible");

        Assert.Contains("MyHeap+HeapInternals+CurrentThread:Ask", listing, StringComparison.Ordinal);
        Assert.DoesNotContain(Helper, listing, StringComparison.Ordinal);
    }

    /// <summary>By this the test above would know one.</summary>
    [Fact]
    public void A_thread_static_of_a_collectible_load_context_is_found_by_the_runtimes_helper() =>
        Assert.Contains(Helper, JitRun.List("Program:UseThreadStatic", "", "collectible"), StringComparison.Ordinal);
}
