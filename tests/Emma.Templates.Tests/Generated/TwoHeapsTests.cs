namespace Emma.Templates.Tests;

/// <summary>Heaps of one assembly, as the generator wrote them.</summary>
[Trait("Runs", "Everywhere")]
[Trait("Runs", "Windows")]
public sealed unsafe class TwoHeapsTests : IDisposable
{
    public void Dispose()
    {
        LimitedHeap.Destroy();
        CheckedHeap.Destroy();
    }

    [NotOnWindows("there no heap asks whose a block is.")]
    [Fact]
    public void Each_refuses_the_others_blocks_and_names_both()
    {
        foreach (nuint size in new nuint[] { 16, 30_000, 1 << 20, 5 << 20 })
        {
            void* limited = LimitedHeap.Alloc(size);
            void* other = CheckedHeap.Alloc(size);
            AssertRefused(() => CheckedHeap.Free(limited), "CheckedHeap.Free",
                "the heap Emma.Templates.Tests.LimitedHeap of Emma.Templates.Tests");
            AssertRefused(() => CheckedHeap.UsableSize(limited), "CheckedHeap.UsableSize",
                "the heap Emma.Templates.Tests.LimitedHeap of Emma.Templates.Tests");
            AssertRefused(() => LimitedHeap.Realloc(other, 5), "LimitedHeap.Realloc",
                "the heap Emma.Templates.Tests.CheckedHeap of Emma.Templates.Tests");
            AssertRefused(() => LimitedHeap.Free(other), "LimitedHeap.Free",
                "the heap Emma.Templates.Tests.CheckedHeap of Emma.Templates.Tests");
            Assert.True(LimitedHeap.Owns(limited) && !LimitedHeap.Owns(other));
            Assert.True(CheckedHeap.Owns(other) && !CheckedHeap.Owns(limited));
            LimitedHeap.Free(limited);
            CheckedHeap.Free(other);
        }
    }

    [Fact]
    public void A_block_that_its_heap_has_freed_belongs_to_nobody()
    {
        void* block = CheckedHeap.Alloc(5 << 20);
        CheckedHeap.Free(block);
        string message = Assert.Throws<ArgumentException>(() => LimitedHeap.Free(block)).Message;
        Assert.Contains("LimitedHeap", message);
        Assert.DoesNotContain("CheckedHeap", message);
    }

    [Fact]
    public void They_share_neither_statistics_nor_addresses_nor_ends()
    {
        void* limited = LimitedHeap.Alloc(100);
        CheckedHeap.HeapStatistics before = CheckedHeap.GetStatistics();
        for (int i = 0; i < 1000; i++)
            LimitedHeap.Alloc(1000);
        Assert.Equal(before, CheckedHeap.GetStatistics());
        void* other = CheckedHeap.Alloc(100);
        LimitedHeap.Destroy();
        Assert.False(ProcessMaps.IsMapped((nuint)limited));
        Assert.True(CheckedHeap.Owns(other));
        *(long*)other = 1;
        CheckedHeap.Free(other);
    }

    [Fact]
    public void The_checked_one_refuses_a_block_freed_twice()
    {
        void* block = CheckedHeap.Alloc(100);
        void* pin = CheckedHeap.Alloc(100);
        CheckedHeap.Free(block);
        Assert.Contains("CheckedHeap.Free", Assert.Throws<ArgumentException>(() => CheckedHeap.Free(block)).Message);
        CheckedHeap.Free(pin);
    }

    private static void AssertRefused(Action call, string operation, string owner)
    {
        string message = Assert.Throws<ArgumentException>(call).Message;
        Assert.StartsWith("Emma.Templates.Tests." + operation + " ", message);
        Assert.Contains(owner, message);
    }
}
