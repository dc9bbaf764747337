using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    /// <summary>What only a heap with BoundaryChecks promises.</summary>
    public sealed class BoundaryCheckTests : HeapTest
    {
        public static TheoryData<int> AllClasses => new(Enumerable.Range(1, SizeClasses.Count));

        [Theory]
        [MemberData(nameof(AllClasses))]
        public void Every_address_inside_a_block_is_refused_but_its_first(int sizeClass)
        {
            nuint size = SizeClasses.SizeOf(sizeClass);
            Alloc(size);
            byte* block = (byte*)Alloc(size);
            Pattern.Write(block, size, 1);
            for (nuint offset = 1; offset < size; offset += size <= 256 ? 1u : size / 61)
                AssertRefused(block + offset);
            AssertRefused(block + size - 1);
            Expect.Equal(-1, Pattern.FirstDifference(block, size, 1));
            Free(block);
        }

        [Theory]
        [MemberData(nameof(AllClasses))]
        public void A_block_freed_twice_is_refused_the_second_time(int sizeClass)
        {
            nuint size = SizeClasses.SizeOf(sizeClass);
            void* pin = Alloc(size);
            void* block = Alloc(size);
            Free(block);
            AssertRefused(block);
            Expect.Equal((nuint)block, (nuint)Alloc(size));
            Free(block);
            Free(pin);
            AssertRefused(pin);
        }

        [Theory]
        [MemberData(nameof(AllClasses))]
        public void Blocks_never_allocated_and_the_tail_behind_the_last_are_refused(int sizeClass)
        {
            nuint size = SizeClasses.SizeOf(sizeClass);
            byte* first = (byte*)Alloc(size);
            Slab* slab = Slab.Of((nuint)first);
            AssertRefused(first + size);
            AssertRefused(first + (nuint)(slab->Capacity - 1) * size);
            nuint tail = (nuint)slab->Capacity * size;
            nuint end = slab->PageCount * Segment.PageSize;
            for (nuint offset = tail; offset < end; offset += 16)
                AssertRefused(first + offset);
        }

        [Fact]
        public void Runs_and_large_blocks_freed_twice_are_refused()
        {
            void* pin = Alloc(1);
            foreach (nuint size in new nuint[] { 40_000, 1 << 20, 3 << 20, 80 << 20 })
            {
                void* block = Alloc(size);
                Free(block);
                AssertRefused(block);
            }

            Free(pin);
        }

        [Fact]
        public void Of_two_threads_that_free_a_block_at_once_one_is_refused()
        {
            foreach (nuint size in new nuint[] { 64, 100_000, 3 << 20 })
            {
                for (int round = 0; round < 200; round++)
                {
                    void* pin = Alloc(size);
                    void* block = Alloc(size);
                    int refused = 0;
                    Parallel.For(0, 2, _ =>
                    {
                        try
                        {
                            Free(block);
                        }
                        catch (ArgumentException)
                        {
                            Interlocked.Increment(ref refused);
                        }
                    });
                    Expect.True(refused == 1, $"size {size}, round {round}: {refused} refused");
                    Free(pin);
                }
            }

            Expect.Equal((nuint)0, GetStatistics().InUseBytes);
            AssertStatisticsAddUp();
        }

        [Fact]
        public void Freeing_a_block_again_while_its_segment_is_unmapped_never_faults() =>
            ChildProcess.MustSucceed(nameof(Scenarios.FreeAgainWhileSegmentsComeAndGo));

        private static void AssertRefused(void* pointer)
        {
            HeapStatistics before = GetStatistics();
            Expect.Contains($"{HeapName}.Free ", Expect.Throws<ArgumentException>(() => Free(pointer)).Message);
            Expect.Contains($"{HeapName}.Realloc ", Expect.Throws<ArgumentException>(() => TryRealloc(pointer, 10)).Message);
            Expect.Contains($"{HeapName}.UsableSize ", Expect.Throws<ArgumentException>(() => UsableSize(pointer)).Message);
            Expect.Equal(before, GetStatistics());
        }
    }

    public static partial class Scenarios
    {
        /// <summary>One thread makes and unmaps segments, another frees a pointer of theirs that it has no right to.</summary>
        public static void FreeAgainWhileSegmentsComeAndGo()
        {
            nuint stale = 0;
            bool stop = false;
            Thread other = new Thread(() =>
            {
                while (!Volatile.Read(ref stop))
                {
                    nuint address = Volatile.Read(ref stale);
                    int pageClass = PageMap.ClassOf(address);
                    // What Free does, without the exception, which would take most of the time.
                    if (PageMap.IsSmall(pageClass))
                        HeapState.BinOf(pageClass)->Free(address + 16);
                }
            });
            other.Start();
            for (int i = 0; i < 6_000; i++)
            {
                void* block = Alloc(64);
                Volatile.Write(ref stale, (nuint)block);
                Free(block);
                Trim();
            }

            Volatile.Write(ref stop, true);
            other.Join();
        }
    }
}
