using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// What only a heap with BoundaryChecks promises. Two frees of a block of up to 256 KiB at the very same time are not told apart
        /// with thread caches, because the mark of a live block is taken off by a plain store; without them one is refused.
        /// </summary>
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

            [Fact]
            public void A_kept_page_run_is_refused_by_everything_that_takes_a_block() => Crew.RunOne(() =>
            {
                for (int pages = 1; pages <= SizeClasses.MaxCachedPages + 1; pages++)
                {
                    nuint size = (nuint)pages * Segment.PageSize;
                    Alloc(size);
                    byte* block = (byte*)Alloc(size);
                    for (nuint offset = 16; offset < size; offset += Segment.PageSize / 2 - 16)
                        AssertRefused(block + offset);
                    AssertRefused(block + size - Segment.PageSize + 16);
                    Free(block);
                    AssertRefused(block);
                    Expect.Throws<ArgumentException>(() => UsableSize(block));
                    Expect.Throws<ArgumentException>(() => (nuint)Realloc(block, size * 2));
                    Expect.Equal((nuint)block, (nuint)Alloc(size));
                    Expect.Equal(size, UsableSize(block));
                    // Resized to a length of which none are kept, and back.
                    block = (byte*)Realloc(Realloc(block, 6 * Segment.PageSize), size);
                    Free(block);
                    AssertRefused(block);
                }

                AssertStatisticsAddUp();
            });

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
                nuint end = slab->Span.PageCount * Segment.PageSize;
                nuint step = Math.Max(16, (end - tail) / 64 & ~(nuint)15);
                for (nuint offset = tail; offset < end; offset += step)
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

            [Theory]
            [InlineData(16)]
            [InlineData(1000)]
            [InlineData(32_768)]
            public void A_freed_block_is_refused_wherever_it_waits(int size)
            {
                // In the magazines of a thread that ended, of another that lives, of the caller, in a depot, in its slab.
                void* pin = Alloc((nuint)size);
                nuint[] blocks = Enumerable.Range(0, 5000).Select(_ => (nuint)Alloc((nuint)size)).ToArray();
                Threads.Run(1, _ => Array.ForEach(blocks[..10], block => Free((void*)block)));
                Array.ForEach(blocks[10..4500], block => Free((void*)block));
                Threads.Run(1, _ =>
                {
                    Array.ForEach(blocks[4500..], block => Free((void*)block));
                    Threads.Run(1, _ => AssertRefused((void*)blocks[4500]));
                    AssertRefused((void*)blocks[^1]);
                    AssertRefused((void*)blocks[20]);
                });
                foreach (int i in new[] { 0, 9, 10, 1000, 3000, 4499, 4500, 4999 })
                    AssertRefused((void*)blocks[i]);
                Trim();
                Expect.All(blocks, block => Expect.True(DoubleFree.IsRefused((void*)block)));
                Free(pin);
            }

            [Fact]
            public void Freeing_a_block_again_while_its_segment_is_unmapped_never_faults() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FreeAgainWhileSegmentsComeAndGo));

            [Fact]
            public void The_marks_of_live_blocks_go_with_Destroy_and_with_the_load_context()
            {
                void* pin = Alloc(1);
                Window* window = Space->Find((nuint)pin);
                nuint marks = (nuint)window->Marks;
                nuint end = marks + AddressSpace.BytesOfMarks(window);
                // Of each segment, of nothing else, and no longer than it is there.
                Expect.Equal((nuint)GetStatistics().Segments * LiveMarks.BytesPerSegment, BytesIn(marks, end));
                nint[] blocks = [.. Enumerable.Range(0, 20).Select(_ => (nint)Alloc(1 << 20))];
                void* large = Alloc(64 << 20);
                Expect.True(GetStatistics().Segments >= 5);
                Expect.Equal((nuint)GetStatistics().Segments * LiveMarks.BytesPerSegment, BytesIn(marks, end));
                Expect.All(blocks, block => Free((void*)block));
                Free(large);
                Trim();
                Expect.Equal(1, GetStatistics().Segments);
                Expect.Equal(LiveMarks.BytesPerSegment, BytesIn(marks, end));
                Destroy();
                Expect.Equal(0U, BytesIn(marks, end));

                FreshCopy.Settle();
                int before = MappingsOfMarks();
                FreshCopy.RunAndUnload(nameof(PluginWork.UseEverything));
                Expect.Equal(before, MappingsOfMarks());
            }

            [NotOnWindows("whoever has the place has it from libc.")]
            [Fact]
            public void A_slot_whose_place_of_marks_is_taken_is_passed_over()
            {
                void* pin = Alloc(1);
                Window* window = Space->Find((nuint)pin);
                nuint segment = (nuint)pin & ~(Window.SlotSize - 1);
                nuint taken = (nuint)window->Marks + (window->SlotOf(segment) + 1) * LiveMarks.BytesPerSegment;
                Expect.Equal((nint)taken, (nint)Libc.Map((void*)taken, 4096, 0, Syscalls.MapAtFreeAddress, -1, 0));
                nint[] blocks = [.. Enumerable.Range(0, 8).Select(_ => (nint)Alloc(1 << 20))];
                Expect.DoesNotContain(segment + Window.SlotSize, SlotsOf(SlotKind.Segment));
                Expect.True(SlotsOf(SlotKind.Segment).Length >= 3);
                AssertStatisticsAddUp(pin);
                Expect.All(blocks, block => Free((void*)block));
                Free(pin);
                Destroy();
                Expect.Equal(0, Libc.Unmap((void*)taken, 4096));
            }

            private static nuint BytesIn(nuint start, nuint end) => ProcessMaps.BytesIn(start, end, [.. ProcessMaps.Read()]);

            // Mappings of whole segments' marks; some may lie side by side, as one.
            private static int MappingsOfMarks() => ProcessMaps.Read().Count(mapping =>
                mapping.Rights == "rw-p" && mapping.Path == "" && (mapping.End - mapping.Start) % LiveMarks.BytesPerSegment == 0
                && mapping.End < 0x6000_0000_0000);

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
            /// <summary>One thread makes and unmaps segments, another frees addresses of theirs that it has no right to.</summary>
            public static void FreeAgainWhileSegmentsComeAndGo()
            {
                const int size = 64;
                nuint stale = 0;
                bool stop = false;
                using var ready = new ManualResetEventSlim();
                Thread other = new Thread(() =>
                {
                    // Its magazine has blocks, and room for more; their slab has no free block that would serve the first thread.
                    nuint[] blocks = new nuint[Segment.PageSize / size];
                    for (int i = 0; i < blocks.Length; i++)
                        blocks[i] = (nuint)Alloc(size);
                    for (int i = 0; i < 10; i++)
                        Free((void*)blocks[i]);
                    ready.Set();
                    while (!Volatile.Read(ref stop))
                        Expect.False(TryFree(Volatile.Read(ref stale) + 16));
                });
                other.Start();
                ready.Wait();
                // Fills their segment, so that the next slab needs another.
                nuint run = 0;
                while (GetStatistics().Segments == 1)
                    run = (nuint)Alloc(Segment.PageSize);
                Free((void*)run);

                for (int i = 0; i < Length.Of(6_000, 60_000); i++)
                {
                    void* block = Alloc(size);
                    Volatile.Write(ref stale, (nuint)block);
                    Free(block);
                    Trim();
                    Expect.Equal(1, GetStatistics().Segments);
                }

                Volatile.Write(ref stop, true);
                other.Join();
            }

            // What Free does, without the exception, which would take most of the time.
            private static bool TryFree(nuint address)
            {
                void* block = (void*)address;
                if (SmallBlocks.TryGive(ref block))
                    return true;
                int pageClass = PageMap.ClassOf(address);
                return PageMap.IsSmall(pageClass) && Small->Free(address, pageClass) == PointerCheck.Valid;
            }
        }
    }
}
