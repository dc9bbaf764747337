using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public static partial class Scenarios
        {
            private const nint BadAddress = -14;

            /// <summary>
            /// What is closed of a segment: its header's end, free pages, the ends of slabs, and pages of slabs that are gone. Where the
            /// kernel's pages are as large as a slab's, neither the header nor a slab has such an end.
            /// </summary>
            public static void GuardsAreClosed()
            {
                nuint block = (nuint)Alloc(100);
                Segment* segment = Segment.Of(block);
                int page = Segment.PageOf(block);
                bool hasEnds = Guards.SlabTail != 0;
                Expect.True(!hasEnds || (IsClosed((nuint)segment + Guards.HeaderBytes)
                    && IsClosed(Segment.AddressOf(segment, 1) - 1)), "the header's end");
                Expect.True(!hasEnds || (IsClosed(Segment.AddressOf(segment, page + 1) - Guards.SlabTail)
                    && IsClosed(Segment.AddressOf(segment, page + 1) - 1)), "the slab's end");
                Expect.False(IsClosed(Segment.AddressOf(segment, page + 1) - Guards.SlabTail - 1), "the slab's last bytes");
                Expect.True(IsClosed(Segment.AddressOf(segment, page + 1)) && IsClosed((nuint)segment + Segment.Size - 1), "free pages");

                nuint[] blocks = Enumerable.Range(0, 400).Select(_ => (nuint)Alloc(1000)).ToArray();
                nuint[] slabs = blocks.Select(address => address & ~(Segment.PageSize - 1)).Distinct().ToArray();
                Expect.True(slabs.Length > 3);
                Expect.All(slabs, slab => Expect.False(IsClosed(slab)));
                Expect.All(slabs, slab => Expect.True(!hasEnds || IsClosed(slab + Segment.PageSize - Guards.SlabTail)));
                AssertStatisticsAddUp((void*)block);
                Array.ForEach(blocks, address => Free((void*)address));
                Trim();
                Expect.All(slabs, slab => Expect.True(IsClosed(slab) && IsClosed(slab + Segment.PageSize - 1)));
                AssertStatisticsAddUp((void*)block);

                // Opened again, for blocks of another size.
                foreach (nuint size in new nuint[] { 16, 3000, 20_000 })
                    UseBlocks(size, 300);
                Free((void*)block);
                Trim();
                Destroy();
                Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
            }

            public static void GuardsByMappingsAreBounded()
            {
                UseOldKernel();
                for (int round = 0; round < 2; round++)
                {
                    void* pin = Alloc(16);
                    nuint[] blocks = Enumerable.Range(0, (Guards.MaxProtected + 6) * 128).Select(_ => (nuint)Alloc(32_000)).ToArray();
                    nuint[] segments = SlotsOf(SlotKind.Segment);
                    Expect.True(segments.Length > Guards.MaxProtected + 3);
                    // Full segments have nothing to close but ends.
                    if (Guards.SlabTail != 0)
                        Expect.Equal(Guards.MaxProtected, segments.Count(segment => IsClosed(segment + Guards.HeaderBytes)));
                    Window* window = Space->Find(segments[0]);
                    int mappings = ProcessMaps.Read()
                        .Count(mapping => mapping.Start >= window->Base && mapping.Start < window->Base + window->Size);
                    int fewest = Guards.SlabTail != 0 ? Guards.MaxProtected : 1;
                    Expect.InRange(mappings, fewest, Guards.MaxProtected * Guards.MappingsPerSegment + segments.Length);
                    AssertStatisticsAddUp(pin);
                    Array.ForEach(blocks, block => Free((void*)block));
                    Trim();
                    // Their places are free for those that come next, whether they go one by one or all at once.
                    if (round == 0)
                        Free(pin);
                    Trim();
                    if (round == 1)
                        Destroy();
                }

                Expect.True(IsClosed((nuint)Segment.Of((nuint)Alloc(16)) + Segment.Size - 1));
            }

            /// <summary>
            /// Changes of protection are refused at random, and always: every block is still to be had, and to be used from end to end.
            /// </summary>
            public static void GuardsAreRefused()
            {
                UseOldKernel();
                foreach (uint oneIn in new uint[] { 3, 1, 2, 1, 5 })
                {
                    OldKernel.RefusedOneIn = oneIn;
                    void* pin = Alloc(16);
                    for (int round = 0; round < 4; round++)
                    {
                        foreach (nuint size in new nuint[] { 8, 50, 500, 5000, 30_000 })
                            UseBlocks(size, 1200);
                        Trim();
                        AssertStatisticsAddUp(pin);
                    }

                    Free(pin);
                }

                Expect.True(OldKernel.Refused > 100);
                OldKernel.RefusedOneIn = 0;
                Destroy();
                GuardsAreClosed();
            }

            /// <summary>
            /// The kernel refuses to open any page of segments that were closed before: a segment without guards serves until it lets them
            /// be opened.
            /// </summary>
            public static void OpeningIsRefused()
            {
                UseOldKernel();
                byte* pin = (byte*)Alloc(16);
                OldKernel.RefusedOneIn = 1;
                UseBlocks(5000, 100);
                Expect.Equal(2, GetStatistics().Segments);
                AssertStatisticsAddUp(pin);
                OldKernel.RefusedOneIn = 0;
                Trim();
                Expect.Equal(1, GetStatistics().Segments);
                UseBlocks(5000, 100);
                Expect.Equal(1, GetStatistics().Segments);
                Expect.True(IsClosed((nuint)Segment.Of((nuint)pin) + Segment.Size - 1));
            }

            public static void GuardsMeetAFullTableOfMappings()
            {
                UseOldKernel();
                // What runs while the table is full has run before.
                UseBlocks(5000, 300);
                UseBlocks(40, 3000);
                Trim();
                foreach (int room in new[] { 0, 1, 2, 3, 5, 9 })
                {
                    void* pin = Alloc(16);
                    using (new FullTableOfMappings(room))
                    {
                        UseBlocks(5000, 300);
                        UseBlocks(40, 3000);
                    }

                    Trim();
                    AssertStatisticsAddUp(pin);
                    Free(pin);
                    Trim();
                }

                Destroy();
                Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
            }

            // Allocates blocks, fills them, and frees them; what the kernel has not opened would end the process.
            private static void UseBlocks(nuint size, int count)
            {
                nuint* blocks = stackalloc nuint[count];
                for (int i = 0; i < count; i++)
                {
                    blocks[i] = (nuint)TryAlloc(size);
                    if (blocks[i] != 0)
                        Pattern.Write((void*)blocks[i], size, (ulong)i);
                }

                int missing = 0;
                for (int i = 0; i < count; i++)
                {
                    missing += blocks[i] == 0 ? 1 : 0;
                    if (blocks[i] == 0)
                        continue;
                    if (Pattern.FirstDifference((void*)blocks[i], size, (ulong)i) >= 0)
                        Expect.Fail($"block {i} of {size} bytes has changed");
                    Free((void*)blocks[i]);
                }

                if (missing != 0)
                    Expect.Fail($"{missing} of {count} blocks of {size} bytes were not to be had");
            }

            // Whether the kernel cannot write at an address. What it has written is put back.
            private static bool IsClosed(nuint address)
            {
                if (OperatingSystem.IsWindows())
                    return !ProcessMaps.IsMapped(address);

                byte random;
                Expect.Equal(1, Syscalls.GetRandom(&random, 1));
                nint result = Syscalls.GetRandom((void*)address, 1);
                if (result == 1)
                    *(byte*)address = 0;
                else
                    Expect.Equal(BadAddress, result);
                return result != 1;
            }
        }
    }
}
