namespace Emma.Templates;

using ClrCultureInfo = global::System.Globalization.CultureInfo;
using ClrDebuggerDisplay = global::System.Diagnostics.DebuggerDisplayAttribute;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// What a heap holds, in bytes and counts. <see cref="MappedBytes"/> is the sum of <see cref="InUseBytes"/>, <see cref="FreeBytes"/>,
    /// <see cref="HeaderBytes"/> and <see cref="CachedBytes"/>, exactly so if no other thread allocated or freed while it was taken.
    /// </summary>
    [ClrDebuggerDisplay("{ToString(),nq}")]
    public readonly struct HeapStatistics
    {
        private readonly HeapInternals.HeapCount _count;

        internal HeapStatistics(void* count) => _count = *(HeapInternals.HeapCount*)count;

        /// <summary>Bytes of address space the heap has mapped, touched or not: what <c>MemoryLimit</c> bounds.</summary>
        public long MappedBytes => _count.Mapped;

        /// <summary>The most bytes that were mapped at once since the heap started, <c>Destroy</c> or not.</summary>
        public long PeakMappedBytes => _count.PeakMapped;

        /// <summary>The most bytes that the heap might map when this was taken; 0: no limit.</summary>
        public long MemoryLimit => _count.Limit;

        /// <summary>Bytes of the live blocks, each at its real size (see <c>UsableSize</c>).</summary>
        public long InUseBytes => _count.InUse;

        /// <summary>Bytes of free blocks and free pages, ready to be allocated.</summary>
        public long FreeBytes => _count.Free;

        /// <summary>
        /// Bytes that describe the others: segment headers, the page map, what threads' free blocks are listed in, the code page. Most of
        /// them are never touched.
        /// </summary>
        public long HeaderBytes => _count.Header;

        /// <summary>
        /// Bytes of freed blocks that threads keep for themselves or for each other, and of freed large blocks that stay mapped;
        /// <c>Trim</c> gives them back, but for what other threads keep.
        /// </summary>
        public long CachedBytes => _count.Cached;

        /// <summary>Blocks that were allocated and not freed.</summary>
        public long LiveBlocks => _count.LiveBlocks;

        /// <summary>
        /// Allocations that failed since the heap was loaded, <c>Destroy</c> or not: that threw for want of memory, or returned null.
        /// </summary>
        public long FailedAllocations => _count.Failed;

        /// <summary>Segments of 4 MiB, of less under a limit, that serve blocks of up to 2 MiB.</summary>
        public long Segments => _count.Segments;

        /// <summary>Live blocks with a mapping of their own: those of more than 2 MiB; under a limit some of 32 KiB.</summary>
        public long LargeBlocks => _count.LargeBlocks;

        /// <summary>
        /// Threads that keep free blocks for themselves, or did when they ended and have not been noticed since; 0 without
        /// <c>ThreadCache</c>.
        /// </summary>
        public long ThreadCaches => _count.ThreadCaches;

        /// <summary>
        /// Owners of memory, from <c>Rent</c>, <c>RentPooled</c> and <c>Pool</c>, that were not disposed, or are still pinned. A buffer
        /// writer counts as one, a sequence writer as one for each of its blocks.
        /// </summary>
        public long LiveOwners => _count.Owners;

        /// <summary>Pins of their memory that were not undone.</summary>
        public long LivePins => _count.Pins;

        /// <summary>Arenas that were not disposed.</summary>
        public long LiveArenas => _count.Arenas;

        /// <summary>Whether function pointers were handed out (<c>Callbacks</c>): a C library may call the heap at any time.</summary>
        public bool HasCallbacks => _count.Callbacks != 0;

        /// <summary>The figures in one line, in binary units (1 MiB is 1 048 576 bytes).</summary>
        /// <returns>The heap's name and its figures.</returns>
        public override string ToString()
        {
            string limit = MemoryLimit == 0 ? "no limit" : "limit " + Size(MemoryLimit);
            return HeapInternals.HeapName + ": " + Size(InUseBytes) + " in " + HeapInternals.Number(LiveBlocks) + " blocks, " +
                Size(MappedBytes) + " mapped (peak " + Size(PeakMappedBytes) + ", " + limit + "): " +
                Size(FreeBytes) + " free, " + Size(CachedBytes) + " cached, " + Size(HeaderBytes) + " headers" +
                ((LiveOwners | LiveArenas) == 0
                    ? ""
                    : "; " + HeapInternals.Number(LiveOwners) + " owners, " + HeapInternals.Number(LiveArenas) + " arenas out") +
                (HeapInternals.ChecksAreDefaulted ? "; BoundaryChecks by default (debug build), marks not counted" : "");
        }

        private static string Size(long bytes)
        {
            const int unitShift = 10;
            string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
            int unit = 0;
            while (unit < units.Length - 1 && bytes >> (unitShift * (unit + 1)) != 0)
                unit++;
            double size = (double)bytes / (1L << (unitShift * unit));
            return size.ToString(unit == 0 || size >= 100 ? "0" : "0.#", ClrCultureInfo.InvariantCulture) + " " + units[unit];
        }
    }
}
