using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Pointers that are no blocks of this heap: refused without a fault, by name, and without a trace.</summary>
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class BadPointerTests : HeapTest
        {
            private readonly void* _pin;

            public BadPointerTests()
            {
                _pin = Alloc(100);
                // Nothing is left that a collection of the oldest generation could have given back between two counts.
                Trim();
            }

            [Fact]
            public void Null_page_and_non_canonical_addresses_are_refused()
            {
                for (int shift = 0; shift < 64; shift++)
                    AssertRefused((void*)unchecked((nuint)(1UL << shift)));
                AssertRefused((void*)nuint.MaxValue);
                AssertRefused((void*)(nuint.MaxValue - 15));
                AssertRefused((void*)16);
            }

            [Fact]
            public void The_stack_of_a_refusal_begins_with_the_method_that_was_called()
            {
                bool checks = ChecksBoundaries;
                bool isHardened = IsHardened;
                void* large = Alloc(8 << 20);
                AssertBegins("Free", Expect.Throws<ArgumentException>(() => Free((void*)16)));
                AssertBegins("Free", Expect.Throws<ArgumentException>(() => Free((byte*)large + 1)));
                AssertBegins("Realloc", Expect.Throws<ArgumentException>(() => Realloc((void*)16, 1)));
                AssertBegins("UsableSize", Expect.Throws<ArgumentException>(() => UsableSize((byte*)large + 1)));
                AssertBegins("AlignedRealloc", Expect.Throws<ArgumentException>(() => AlignedRealloc((byte*)large + 1, 1, 64)));
                AssertBegins("AlignedAlloc", Expect.Throws<ArgumentException>(() => AlignedAlloc(1, 3)));
                AssertBegins("Alloc", Expect.Throws<OutOfMemoryException>(() => Alloc(nuint.MaxValue)));
                AssertBegins("AllocZeroed", Expect.Throws<OutOfMemoryException>(() => AllocZeroed(nuint.MaxValue, 2)));
                if (checks)
                    AssertBegins("Free", Expect.Throws<ArgumentException>(() => Free((byte*)_pin + 16)));
                if (isHardened)
                    AssertBegins("Fill", Expect.Throws<ArgumentException>(() => Fill(_pin, 101, 0)));
                Free(large);

                // Or with its caller, where it is inlined.
                static void AssertBegins(string method, Exception refusal) =>
                    Expect.Matches(
                        $@"^\s*at Emma\.Templates\.EmmaHeap\.((Try)?{method}\(|HeapInternals\.BadPointerTests)",
                        refusal.StackTrace);
            }

            [Fact]
            public void A_pointer_of_before_Destroy_is_said_to_be_one()
            {
                Destroy();
                Exception refusal = Expect.Throws<ArgumentException>(() => Free(_pin));
                Expect.Contains("lay in this heap before its Destroy", refusal.Message);

                // The next window lies at random, seldom where the one before it lay: those are addresses of the heap's again.
                for (Free(Alloc(1)); Space->Find((nuint)_pin) != null; Free(Alloc(1)))
                    Destroy();
                Expect.Contains("before its Destroy", Expect.Throws<ArgumentException>(() => Free(_pin)).Message);
            }

            [Fact]
            public void The_kernel_is_not_blamed_for_a_size_that_nobody_can_have()
            {
                string message = Expect.Throws<OutOfMemoryException>(() => Alloc(nuint.MaxValue)).Message;
                Expect.Contains("no process can have so many", message);
                Expect.DoesNotContain("kernel", message);
                Expect.DoesNotContain("kernel", Expect.Throws<OutOfMemoryException>(() => Alloc(nuint.MaxValue / 2, 3)).Message);
            }

            [Fact]
            public void Random_addresses_are_refused()
            {
                Random random = new Random(4711);
                for (int i = 0; i < 50; i++)
                {
                    nuint address = unchecked((nuint)(ulong)random.NextInt64() & ~(nuint)15);
                    if (Space->Find(address) == null)
                        AssertRefused((void*)address);
                }
            }

            [Fact]
            public void The_stack_and_blocks_of_malloc_are_refused()
            {
                long local = 0;
                AssertRefused(&local);
                void* block = NativeMemory.Alloc(100);
                AssertRefused(block);
                NativeMemory.Free(block);
                void* native = NativeMemory.Alloc(10 << 20);
                AssertRefused(native);
                NativeMemory.Free(native);
                byte[] managed = new byte[100];
                fixed (byte* first = managed)
                    AssertRefused(first);
            }

            [Fact]
            public void Free_pages_and_the_header_of_a_segment_are_refused()
            {
                Segment* segment = Segment.Of((nuint)_pin);
                AssertRefused(segment);
                AssertRefused((byte*)segment + 64);
                AssertRefused((byte*)segment + Segment.PageSize - 16);
                AssertRefused((byte*)segment + 40 * Segment.PageSize);
                AssertRefused((byte*)segment + Segment.Size - 16);
            }

            [AssumesLinux("a page of machine code.")]
            [Fact]
            public void Metadata_and_unused_slots_of_the_window_are_refused()
            {
                Window* window = Space->Find((nuint)_pin);
                (string Name, nuint Address)[] places =
                [
                    ("header", (nuint)window), ("slot words", (nuint)window->Slots), ("page map", (nuint)window->PageMap),
                    ("before", window->Base - 16), ("behind", window->Base + window->Size), ("last", window->Base + window->Size - 16),
                    ("unused", window->Base + 100 * Segment.Size), ("root", (nuint)Heap), ("code", KernelMode.CodeAddress),
                ];
                foreach ((string name, nuint address) in places)
                    Expect.Null(Record.Exception(() => AssertRefused((void*)address)) is Exception error ? $"{name}: {error.Message}"
                        : null);
            }

            [Fact]
            public void The_memory_of_magazines_is_refused()
            {
                nuint[] areas = SlotsOf(SlotKind.Magazines);
                Expect.Equal(Form.HasThreadCaches, areas.Length != 0);
                foreach (nuint area in areas)
                {
                    foreach (nuint offset in new nuint[] { 0, 16, 1024, 40_000, Segment.PageSize, Segment.Size - 16 })
                        AssertRefused((void*)(area + offset));
                }
            }

            [Fact]
            public void Freed_runs_and_large_blocks_are_refused()
            {
                foreach (nuint size in new nuint[] { 100_000, 300_000, 2 << 20, 5 << 20, 100 << 20 })
                {
                    // Its thread keeps it, and only marks tell it from a live one.
                    if (Policy.KeepsRuns && !ChecksBoundaries && size <= KeptSizes.Max)
                        continue;

                    void* block = Alloc(size);
                    Free(block);
                    AssertRefused(block);
                }
            }

            /// <summary>Sizes of runs and large blocks that no thread keeps.</summary>
            public static TheoryData<int> SizesNotKept => [(int)(KeptSizes.Max + Segment.PageSize), 3 << 20, 70 << 20];

            [Theory]
            [MemberData(nameof(SizesNotKept))]
            public void Of_two_threads_that_free_a_run_or_large_block_at_once_one_is_refused(int size)
            {
                Free(_pin);
                DoubleFree.Race((nuint)size);
            }

            [Fact]
            public void The_inside_of_runs_and_large_blocks_is_refused()
            {
                foreach (nuint size in new nuint[] { 200_000, 5 << 20 })
                {
                    byte* block = (byte*)Alloc(size);
                    Pattern.Write(block, size, 1);
                    AssertRefused(block + 16);
                    AssertRefused(block + Segment.PageSize);
                    AssertRefused(block + Segment.PageSize + 8);
                    AssertRefused(block + size - 16);
                    Expect.Equal(-1, Pattern.FirstDifference(block, size, 1));
                    Free(block);
                }
            }

            [Fact]
            public void A_heap_that_never_allocated_refuses_pointers_too()
            {
                Destroy();
                AssertRefused((void*)0x1234_5670);
            }

            [Fact]
            public void A_pointer_from_before_Destroy_is_refused()
            {
                void* large = Alloc(5 << 20);
                void* small = Alloc(64);
                Destroy();
                AssertRefused(small);
                AssertRefused(large);
                void* next = Alloc(64);
                AssertRefused(small);
                AssertRefused(large);
                Free(next);
            }

            // Hands a pointer to everything that takes one, and demands an exception with this heap's name and no other effect.
            private static void AssertRefused(void* pointer)
            {
                HeapStatistics before = GetStatistics();
                (string Name, Action Call)[] calls =
                [
                    ("Free", () => Free(pointer)),
                    ("Free", () => AlignedFree(pointer)),
                    ("Realloc", () => Realloc(pointer, 1000)),
                    ("Realloc", () => TryRealloc(pointer, 0)),
                    ("Realloc", () => AlignedRealloc(pointer, 1000, 64)),
                    ("UsableSize", () => UsableSize(pointer)),
                    ("Free", () => Free(new Span<byte>(pointer, 1))),
                ];
                foreach ((string name, Action call) in calls)
                {
                    Exception? error = Record.Exception(call);
                    Expect.True(error is ArgumentException, $"{name} of 0x{(nuint)pointer:x}: {error?.ToString() ?? "accepted"}");
                    Expect.Contains($"{HeapName}.{name} ", error!.Message);
                    Expect.Contains($"0x{(nuint)pointer:x}", error.Message);
                }

                Expect.Equal(before, GetStatistics());
            }
        }
    }
}
