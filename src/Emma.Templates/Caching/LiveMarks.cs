namespace Emma.Templates;

using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// Where the options have pointers checked: a byte for each 16 bytes of a window, which says that a live small block begins there. The slabs
    /// cannot say it, because to them the blocks in magazines are taken. Whoever owns a block writes its byte, so plain stores do.
    /// </summary>
    /// <remarks>
    /// The marks of a window are one mapping, not reserved, which is touched as the window is used and stays until Destroy: a block freed twice may be
    /// looked for while its segment is unmapped. Those of mapped segments are counted as mapped; those of a segment that goes are discarded.
    /// Two frees of one block at the very same time by two threads are not told apart.
    /// </remarks>
    private static class LiveMarks
    {
        /// <summary>Bytes of marks that a segment has.</summary>
        internal const nuint BytesPerSegment = BoundaryChecks ? Segment.Size / SizeClasses.Granularity : 0;

        internal const byte Live = 1;

        /// <summary>Maps the marks of a window of some bytes, where there are any. False: the kernel refuses.</summary>
        internal static bool TryMap(nuint windowSize, out byte* marks)
        {
            marks = null;
            if (windowSize == 0 || BytesPerSegment == 0)
                return true;

            nint result = Syscalls.Mmap(0, windowSize / SizeClasses.Granularity, Syscalls.ProtReadWrite, Syscalls.MapUnreserved);
            marks = (byte*)result;
            return result > 0;
        }

        /// <summary>Unmaps the marks of a window.</summary>
        internal static void Unmap(byte* marks, nuint windowSize)
        {
            if (marks != null)
                Syscalls.Munmap((nuint)marks, windowSize / SizeClasses.Granularity);
        }

        /// <summary>Gives the kernel the marks of a segment that is about to go, in which nothing lives.</summary>
        internal static void Discard(Segment* segment)
        {
            if (segment != null && BytesPerSegment != 0)
                Syscalls.Madvise((nuint)MarkOf((nuint)segment), BytesPerSegment, Syscalls.MadvDontNeed);
        }

        /// <summary>Marks a block live, where blocks are marked; 0 is none.</summary>
        internal static void SetIfChecked(nuint block)
        {
            if (BoundaryChecks && block != 0)
                ClrVolatile.Write(ref *MarkOf(block), Live);
        }

        /// <summary>Takes the mark off a live block. False: none begins at this address, which is one in a slab.</summary>
        internal static bool TryClear(nuint block)
        {
            byte* mark = MarkOf(block);
            if (ClrVolatile.Read(ref *mark) != Live || block % SizeClasses.Granularity != 0)
                return false;

            ClrVolatile.Write(ref *mark, 0);
            return true;
        }

        internal static bool IsSet(nuint block) => ClrVolatile.Read(ref *MarkOf(block)) == Live;

        private static byte* MarkOf(nuint address)
        {
            Window* window = HeapState.Root->Space.Find(address);
            return window->Marks + (address - window->Base) / SizeClasses.Granularity;
        }
    }
}
