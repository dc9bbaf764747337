namespace Emma.Templates;

using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Where the options have pointers checked: a byte for each 16 bytes of a window, which says that a live block of up to 2 MiB begins
        // there. The slabs cannot say it, because to them the blocks in magazines are taken. Whoever owns a block writes its byte, so plain
        // stores do.
        // The marks of a window are one mapping, not reserved, which is touched as the window is used and stays until Destroy: a block
        // freed twice may be looked for while its segment is unmapped. Those of mapped segments are counted as mapped; those of a segment
        // that goes are discarded. Two frees of one block at the very same time by two threads are not told apart.
        internal static partial class LiveMarks
        {
            // Bytes of marks that a segment has.
            internal const nuint BytesPerSegment = ChecksBoundaries ? Window.SlotSize / SizeClasses.Granularity : 0;

            // Of these, what is counted as mapped and charged to a limit: checks that are on by default cost nothing there, so that a limit
            // that suffices for a debug build suffices for the release build, and the other way round.
            internal const nuint CountedPerSegment = ChecksAreDefaulted ? 0 : BytesPerSegment;

            internal const byte Live = 1;

            // A block of a hardened heap that is being handed out, resized or freed: no longer free, and not to be looked at.
            internal const byte Busy = 2;

            // What a block is marked that is handed out.
            private const byte Taken = IsHardened ? Busy : Live;

            // Maps the marks of a window of some bytes, where there are any. False: the kernel refuses.
            internal static bool TryMap(nuint windowSize, out byte* marks)
            {
                marks = null;
                if (windowSize == 0 || BytesPerSegment == 0)
                    return true;

                nint result = Syscalls.Mmap(0, windowSize / SizeClasses.Granularity, Syscalls.ProtReadWrite, Syscalls.MapUnreserved);
                // An error is negative, and no address: the conversion would throw in a project that checks arithmetic.
                if (result <= 0)
                    return false;

                marks = (byte*)result;
                return true;
            }

            // Unmaps the marks of a window, if there are any. False: the kernel refuses.
            internal static bool TryUnmap(byte* marks, nuint windowSize) =>
                marks == null || Syscalls.Munmap((nuint)marks, windowSize / SizeClasses.Granularity) == 0;

            // Gives the kernel the marks of a segment that is about to go, in which nothing lives.
            internal static void Discard(nuint segment)
            {
                if (segment != 0 && BytesPerSegment != 0)
                    Syscalls.Madvise((nuint)MarkOf(segment), BytesPerSegment, Syscalls.MadvDontNeed);
            }

            // Marks a block live, where blocks are marked; 0 is none.
            internal static void SetIfChecked(nuint block)
            {
                if (ChecksBoundaries && block != 0)
                    ClrVolatile.Write(ref *MarkOf(block), Taken);
            }

            // Takes the mark off a live block. False: none begins at this address, which is one in a slab or a run.
            internal static bool TryClear(nuint block)
            {
                byte* mark = MarkOf(block);
                if (ClrVolatile.Read(ref *mark) != Live || block % SizeClasses.Granularity != 0)
                    return false;

                ClrVolatile.Write(ref *mark, 0);
                return true;
            }

            internal static bool IsSet(nuint block) => ClrVolatile.Read(ref *MarkOf(block)) == Live;

            internal static byte* MarkOf(nuint address)
            {
                Window* window = Heap->Space.Find(address);
                return window->Marks + (address - window->Base) / SizeClasses.Granularity;
            }
        }
    }
}
