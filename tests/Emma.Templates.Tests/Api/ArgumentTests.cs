using System.Reflection;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Arguments at their limits, and the resemblance to NativeMemory.</summary>
        public sealed class ArgumentTests : HeapTest
        {
            public static TheoryData<int> BadAlignments => new(0, 3, 5, 24, 100, int.MaxValue);

            [Theory]
            [MemberData(nameof(BadAlignments))]
            public void An_alignment_that_is_no_power_of_two_is_an_ArgumentException(int alignment)
            {
                void* block = Alloc(10);
                Action[] calls =
                [
                    () => AlignedAlloc(10, (nuint)alignment),
                    () => TryAlignedAlloc(10, (nuint)alignment),
                    () => AlignedRealloc(block, 10, (nuint)alignment),
                    () => TryAlignedRealloc(block, 10, (nuint)alignment),
                    () => AlignedRealloc(null, 10, (nuint)alignment),
                ];
                foreach (Action call in calls)
                {
                    ArgumentException error = Expect.Throws<ArgumentException>(call);
                    Expect.Contains(HeapName, error.Message);
                    Expect.Equal("alignment", error.ParamName);
                }

                Expect.Equal((nuint)16, (nuint)GetStatistics().InUseBytes);
                Free(block);
            }

            [Fact]
            public void Every_small_size_is_aligned_to_every_small_alignment_and_gets_the_class_that_the_slow_way_gives()
            {
                for (nuint alignment = 1; alignment <= 2048; alignment *= 2)
                {
                    for (nuint size = 0; size <= 1100; size++)
                    {
                        void* block = AlignedAlloc(size, alignment);
                        void* other = TryAlignedAlloc(size, alignment);
                        Expect.True(((nuint)block | (nuint)other) % alignment == 0,
                            $"size {size}, alignment {alignment}: 0x{(nuint)block:x}, 0x{(nuint)other:x}");
                        int sizeClass = SizeClasses.OfAligned(size, alignment);
                        Expect.True(
                            PageMap.ClassOf((nuint)block) == sizeClass && PageMap.ClassOf((nuint)other) == sizeClass,
                            $"size {size}, alignment {alignment}: class {PageMap.ClassOf((nuint)block)} and " +
                            $"{PageMap.ClassOf((nuint)other)}, not {sizeClass}");
                        AlignedFree(block);
                        Free(other);
                    }
                }
            }

            [Fact]
            public void Sizes_that_overflow_or_exceed_all_memory_are_out_of_memory()
            {
                nuint half = nuint.MaxValue / 2 + 1;
                Action[] calls =
                [
                    () => Alloc(nuint.MaxValue),
                    () => Alloc(half, 2),
                    () => Alloc(nuint.MaxValue, nuint.MaxValue),
                    () => AllocZeroed(nuint.MaxValue - 15),
                    () => AllocZeroed(half, 2),
                    () => AlignedAlloc(nuint.MaxValue, 1),
                    () => AlignedAlloc(nuint.MaxValue - 100, 1 << 30),
                    () => AlignedAlloc(1, half),
                    () => Realloc(null, nuint.MaxValue),
                    () => Alloc<long>(nuint.MaxValue / 4),
                    () => Alloc(unchecked((nuint)(1UL << 47)) + 1),
                ];
                foreach (Action call in calls)
                    Expect.Contains(HeapName, Expect.Throws<OutOfMemoryException>(call).Message);

                Expect.True(TryAlloc(half, 2) == null);
                Expect.True(TryAllocZeroed(half, 2) == null);
                Expect.True(TryAllocZeroed(nuint.MaxValue) == null);
                Expect.True(TryAlloc<long>(nuint.MaxValue) == null);
                Expect.True(TryRealloc(null, nuint.MaxValue) == null);
                Expect.True(TryAlignedAlloc(nuint.MaxValue, 4096) == null);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void Every_alignment_of_every_kind_of_size_is_kept()
            {
                foreach (nuint size in new nuint[] { 0, 1, 17, 1000, 32_768, 40_000, 2 << 20, 5_000_000 })
                {
                    for (int shift = 0; shift <= 30; shift++)
                    {
                        nuint alignment = (nuint)1 << shift;
                        void* block = AlignedAlloc(size, alignment);
                        void* second = TryAlignedAlloc(size, alignment);
                        Expect.True((nuint)block % alignment == 0 && (nuint)second % alignment == 0, $"size {size}, alignment {alignment}");
                        Expect.True((nuint)block % 16 == 0, $"size {size}, alignment {alignment}");
                        Expect.True(UsableSize(block) >= size);
                        AlignedFree(block);
                        Free(second);
                    }
                }

                AssertStatisticsAddUp();
            }

            [Fact]
            public void Alignments_beyond_a_gibibyte_are_kept_or_refused_but_never_wrong()
            {
                for (int shift = 31; shift < 64; shift++)
                {
                    nuint alignment = unchecked((nuint)(1UL << shift));
                    void* block = TryAlignedAlloc(100, alignment);
                    Expect.Equal((nuint)0, (nuint)block & (alignment - 1));
                    Free(block);
                    Destroy();
                }
            }

            [Fact]
            public void Size_zero_gives_unique_blocks()
            {
                HashSet<nuint> blocks = [];
                for (int i = 0; i < 1000; i++)
                    Expect.True(blocks.Add(i % 2 == 0 ? (nuint)Alloc(0) : (nuint)AllocZeroed(0, 8)));
                Expect.True(blocks.Add((nuint)AlignedAlloc(0, 64)));
                Expect.True(blocks.Add((nuint)AlignedAlloc(0, 1 << 20)));
                Expect.True(blocks.Add((nuint)AlignedAlloc(0, 1 << 30)));
                foreach (nuint block in blocks)
                    Free((void*)block);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
            }

            [Fact]
            public void Null_is_freed_and_measured_as_nothing()
            {
                Free(null);
                AlignedFree(null);
                Free(default(Span<int>));
                Expect.Equal((nuint)0, UsableSize(null));
                Expect.False(Owns(null));
            }

            [Fact]
            public void Typed_blocks_have_room_for_their_elements()
            {
                Guid* one = Alloc<Guid>();
                *one = Guid.NewGuid();
                Expect.Equal((nuint)16, UsableSize(one));
                long* many = Alloc<long>(1000);
                Expect.True(UsableSize(many) >= 8000);
                Expect.True(TryAlloc<int>(3) != null);
                Free(one);
                Free(many);
            }

            [Fact]
            public void Spans_have_the_asked_length_and_are_freed_by_it()
            {
                Span<int> span = AllocSpan<int>(1000);
                Expect.Equal(1000, span.Length);
                span.Fill(-1);
                Span<byte> empty = AllocSpan<byte>(0);
                Expect.Equal(0, empty.Length);
                Expect.True((nuint)GetStatistics().InUseBytes >= 4016);
                Free(span);
                Free(empty);
                Expect.Equal((nuint)0, (nuint)GetStatistics().InUseBytes);
                Expect.Throws<ArgumentOutOfRangeException>(() => AllocSpan<int>(-1));
                Expect.Throws<ArgumentOutOfRangeException>(() => AllocSpan<int>(int.MinValue));
            }

            [Fact]
            public void Clear_Copy_and_Fill_do_what_they_say()
            {
                byte* block = (byte*)Alloc(100);
                Fill(block, 100, 7);
                Expect.Equal(7, block[99]);
                Clear(block, 50);
                Expect.Equal(0, block[49]);
                Expect.Equal(7, block[50]);
                Copy(block + 40, block + 45, 20);
                Expect.Equal(0, block[54]);
                Expect.Equal(7, block[55]);
                Free(block);
            }

            [Fact]
            public void Every_method_of_NativeMemory_has_its_twin()
            {
                string[] own = Signatures(typeof(EmmaHeap));
                foreach (string signature in Signatures(typeof(NativeMemory)))
                    Expect.Contains(signature, own);
            }

            [Fact]
            public void Owns_is_true_from_the_first_byte_to_the_last_of_blocks_of_every_kind()
            {
                foreach (nuint size in new nuint[] { 16, 1024, 32_768, 100_000, 2 << 20, 10 << 20 })
                {
                    byte* block = (byte*)Alloc(size);
                    Expect.True(Owns(block) && Owns(block + size / 2) && Owns(block + size - 1), $"size {size}");
                    Free(block);
                    Expect.False(size > KeptSizes.Max && Owns(block), $"size {size}");
                    Trim();
                    Expect.False(Owns(block), $"size {size} after Trim");
                }
            }

            private static string[] Signatures(Type type) => type
                .GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
                .Select(method => $"{method.ReturnType} " +
                    $"{method.Name}({string.Join(", ", method.GetParameters().Select(p => $"{p.ParameterType} {p.Name}"))})")
                .ToArray();
        }
    }
}
