using System.Numerics;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The bit tricks on a segment's free pages against models that look at one page after the other.</summary>
        public sealed class PageMaskTests
        {
            private static int NaiveFindRun(ulong free, int count, int alignment)
            {
                for (int page = 0; page + count <= Segment.PageCount; page += alignment)
                {
                    int i = 0;
                    while (i < count && (free >> (page + i) & 1) != 0)
                        i++;
                    if (i == count)
                        return page;
                }

                return -1;
            }

            private static int NaiveLongestRunLog2(ulong free)
            {
                int longest = 0;
                int current = 0;
                for (int page = 0; page < Segment.PageCount; page++)
                {
                    current = (free >> page & 1) != 0 ? current + 1 : 0;
                    longest = Math.Max(longest, current);
                }

                return longest == 0 ? -1 : BitOperations.Log2((uint)longest);
            }

            // Masks as segments have them: page 0 is never free.
            private static IEnumerable<ulong> Masks()
            {
                yield return 0;
                yield return Segment.AllPages;
                for (int from = 1; from < Segment.PageCount; from++)
                {
                    for (int count = 1; from + count <= Segment.PageCount; count++)
                    {
                        ulong run = Segment.MaskOf(from, count);
                        yield return run;
                        yield return Segment.AllPages & ~run;
                        yield return run | (Segment.AllPages & 0xAAAA_AAAA_AAAA_AAAA);
                    }
                }

                Random random = new Random(20_26);
                for (int i = 0; i < 3_000; i++)
                {
                    ulong mask = Bits(random) & Segment.AllPages;
                    yield return mask;
                    yield return mask & Bits(random);
                    yield return Segment.AllPages & (mask | Bits(random) | mask << 1 | mask >> 1);
                }
            }

            private static ulong Bits(Random random) => unchecked((ulong)random.NextInt64(long.MinValue, long.MaxValue));

            [Fact]
            public void FindRun_agrees_with_a_walk_over_the_pages_for_every_length_and_alignment()
            {
                int seen = 0;
                foreach (ulong mask in Masks())
                {
                    // All lengths of every mask would take a minute; each mask gets some, and all lengths come up some hundred times.
                    for (int count = 1 + seen++ % 7; count < Segment.PageCount; count += 7)
                    {
                        for (int alignment = 1; alignment <= Segment.PageCount / 2; alignment *= 2)
                        {
                            int expected = NaiveFindRun(mask, count, alignment);
                            int actual = Segment.FindRun(mask, count, alignment);
                            if (actual != expected)
                                Expect.Fail($"mask {mask:x16}, {count} pages at {alignment}: {actual} instead of {expected}");
                        }
                    }
                }
            }

            [Fact]
            public void LongestRunLog2_agrees_with_a_walk_over_the_pages()
            {
                foreach (ulong mask in Masks())
                {
                    int expected = NaiveLongestRunLog2(mask);
                    int actual = Segment.LongestRunLog2(mask);
                    if (actual != expected)
                        Expect.Fail($"mask {mask:x16}: {actual} instead of {expected}");
                }
            }

            [Fact]
            public void MaskOf_has_exactly_the_pages_of_a_run()
            {
                for (int page = 0; page < Segment.PageCount; page++)
                {
                    for (int count = 0; page + count <= Segment.PageCount; count++)
                    {
                        ulong mask = Segment.MaskOf(page, count);
                        Expect.Equal(count, BitOperations.PopCount(mask));
                        Expect.True(count == 0 || BitOperations.TrailingZeroCount(mask) == page);
                        Expect.True(count == 0 || 63 - BitOperations.LeadingZeroCount(mask) == page + count - 1);
                    }
                }
            }

            [Fact]
            public void Descriptors_and_bitmaps_lie_within_page_0_and_do_not_overlap()
            {
                Expect.True(sizeof(Segment) <= Segment.DescriptorBytes);
                Expect.True(sizeof(Slab) <= Segment.DescriptorBytes);
                Expect.True(Segment.PageCount * Segment.DescriptorBytes <= (int)Segment.BitmapsOffset);
                Expect.True(Segment.BitmapsOffset + (nuint)Segment.PageCount * Segment.BitmapBytes <= Segment.PageSize);
                Expect.Equal(64, sizeof(Bin));
            }
        }
    }
}
