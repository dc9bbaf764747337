namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// What a heap holds, in bytes and counts. <see cref="MappedBytes"/> is the sum of <see cref="InUseBytes"/>, <see cref="FreeBytes"/>,
    /// <see cref="HeaderBytes"/> and <see cref="CachedBytes"/>, exactly so if no other thread allocated or freed while it was taken.
    /// </summary>
    public readonly struct HeapStatistics
    {
        private readonly HeapInternals.HeapCount _count;

        internal HeapStatistics(void* count) => _count = *(HeapInternals.HeapCount*)count;

        /// <summary>Bytes of address space the heap has mapped, touched or not: what <c>MemoryLimit</c> bounds.</summary>
        public nuint MappedBytes => _count.Mapped;

        /// <summary>Bytes of the live blocks, each at its real size (see <c>UsableSize</c>).</summary>
        public nuint InUseBytes => _count.InUse;

        /// <summary>Bytes of free blocks and free pages, ready to be allocated.</summary>
        public nuint FreeBytes => _count.Free;

        /// <summary>
        /// Bytes that describe the others: segment headers, the page map, what threads' free blocks are listed in, the code page. Most of
        /// them are never touched.
        /// </summary>
        public nuint HeaderBytes => _count.Header;

        /// <summary>
        /// Bytes of freed blocks that threads keep for themselves or for each other, and of freed large blocks that stay mapped;
        /// <c>Trim</c> gives them back, but for what other threads keep.
        /// </summary>
        public nuint CachedBytes => _count.Cached;

        /// <summary>Segments of 4 MiB that serve blocks of up to 2 MiB.</summary>
        public int Segments => _count.Segments;

        /// <summary>Live blocks with a mapping of their own: those of more than 2 MiB.</summary>
        public long LargeBlocks => _count.LargeBlocks;

        /// <summary>
        /// Threads that keep free blocks for themselves, or did when they ended and have not been noticed since; 0 without
        /// <c>ThreadCache</c>.
        /// </summary>
        public int ThreadCaches => _count.ThreadCaches;
    }
}
