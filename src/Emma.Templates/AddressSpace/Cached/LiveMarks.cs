namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Where the options have pointers checked: a byte for each 16 bytes of a window, which says that a live block of up to 2 MiB begins
        // there. The slabs cannot say it, because to them the blocks in magazines are taken. Whoever owns a block writes its byte, so plain
        // stores do. The marks of a segment are a mapping of their own at a place below the window that follows from its slot. They are
        // mapped before it and unmapped after it, and counted with it: all of a window's would be 4 GiB, which limits of address space and
        // data, and programs that lock their memory, do not bear. Whoever reads a mark without owning the block that it is about says so
        // (MarkReaders). Two frees of one block at the very same time by two threads are not told apart.
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

            // Maps the marks of a segment to come, whose slot the caller owns.
            // Returns: the segment, or what the kernel says of their place.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint Map(nuint segment)
            {
                nuint place = (nuint)MarkOf(segment);
                nint result = VirtualMemory.MapPieceAt(place, BytesPerSegment);
                if (result != (nint)place)
                    return result;

                Space->SetMarked(segment, true);
                return (nint)segment;
            }

            // Unmaps the marks of a slot that the caller owns. False: the kernel refuses.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryUnmap(nuint segment)
            {
                if (!VirtualMemory.TryUnmapPiece((nuint)MarkOf(segment), BytesPerSegment))
                    return false;

                Space->SetMarked(segment, false);
                return true;
            }

            // Gives the kernel the contents of the marks of a segment in which nothing lives.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Discard(nuint segment) => VirtualMemory.TryDiscard((nuint)MarkOf(segment), BytesPerSegment);

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
                Window* window = Space->Find(address);
                return window->Marks + (address - window->Base) / SizeClasses.Granularity;
            }
        }
    }
}
