namespace Emma.Templates;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Inaccessible pages. Those of a segment are guard markers in the kernel's page tables, which need no mappings of their own: its free pages, what page 0 has
    /// behind the bitmaps, and the last 4 KiB of each slab. Kernels before 6.13 have no such markers; a segment has no inaccessible pages there.
    /// </summary>
    /// <remarks>Invariant: where the kernel has markers, a segment's page that belongs to nobody has them, unless the kernel refused right then.</remarks>
    private static class Guards
    {
        /// <summary>Bytes behind the last block of a slab that stay inaccessible.</summary>
        internal const nuint SlabTail = AddressSpace.OsPageSize;

        /// <summary>Advice: pages fault from then on, without a mapping of their own (Linux 6.13).</summary>
        private const int MadvGuardInstall = 102;

        private const int MadvGuardRemove = 103;

        /// <summary>What is used of a segment's page 0.</summary>
        private const nuint HeaderBytes = Segment.BitmapsOffset + Segment.PageCount * Segment.BitmapBytes;

        /// <summary>Closes what nobody uses of a segment just mapped.</summary>
        internal static void CloseFresh(Segment* segment) =>
            Syscalls.Madvise((nuint)segment + HeaderBytes, Segment.Size - HeaderBytes, MadvGuardInstall);

        /// <summary>Opens pages for a slab, all but its tail.</summary>
        internal static void Open(Segment* segment, int page, int count) =>
            Syscalls.Madvise(Segment.AddressOf(segment, page), ((nuint)count << Segment.PageShift) - SlabTail, MadvGuardRemove);

        /// <summary>Closes pages that a slab is done with. What they held is gone.</summary>
        internal static void Close(Segment* segment, int page, int count) =>
            Syscalls.Madvise(Segment.AddressOf(segment, page), (nuint)count << Segment.PageShift, MadvGuardInstall);

        /// <summary>Makes a few pages inaccessible wherever they are, if need be by mappings of their own. False: the kernel refuses.</summary>
        internal static bool TryClose(nuint address, nuint length) =>
            Syscalls.Madvise(address, length, MadvGuardInstall) == 0 || Syscalls.Mprotect(address, length, Syscalls.ProtNone) == 0;
    }
}
