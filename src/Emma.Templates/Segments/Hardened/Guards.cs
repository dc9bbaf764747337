namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Inaccessible pages: of a segment its free pages, what page 0 has behind the bitmaps, and the last page of each slab. They are
        // guard markers in the kernel's page tables, which need no mappings of their own, or else, where the kernel has none (before 6.13)
        // or refuses them (memory that is locked), mappings without access in a bounded number of segments. Segments beyond that have no
        // inaccessible pages.
        // Invariant: a segment's page that belongs to nobody is closed where the segment has guards, unless the kernel refused right then.
        // A page that is handed out is open: what the kernel refuses to open stays with its segment. Under the segment manager's lock, but
        // for TryClose.
        internal static class Guards
        {
            // Bytes behind the last block of a slab that stay inaccessible: a page of the kernel's, but not where that is a whole slab.
            internal static nuint SlabTail
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => Heap->KernelPage < Segment.PageSize ? Heap->KernelPage : 0;
            }

            // The most segments that are guarded by mappings. A process has 65 530 of those as a rule (vm.max_map_count); these take up to
            // 8192.
            internal const int MaxProtected = 64;

            // The most mappings that a segment becomes: each page that may be a slab, its tail, the header, and what is behind that.
            internal const int MappingsPerSegment = 2 * Segment.PageCount;

            // What is used of a segment's page 0.
            internal static nuint HeaderBytes
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => AlignUp(Segment.BitmapsOffset + Segment.PageCount * Segment.BitmapBytes, Heap->KernelPage);
            }

            // How a segment is guarded.
            private const int Unguarded = 0;
            private const int Marked = 1;
            private const int Protected = 2;

            // Makes the list of segments that have been guarded by mappings, as many as may be; some may be gone, or be that no more. Any
            // number of threads may race.
            internal static void Start()
            {
                if (ClrVolatile.Read(ref Heap->Guarded) != 0)
                    return;

                nint places = (nint)PinnedMemory.Allocate(MaxProtected * sizeof(ulong), sizeof(ulong));
                ClrInterlocked.CompareExchange(ref Heap->Guarded, places, 0);
            }

            // Opens pages for a slab, all but its tail. That may need mappings; where they are not to be had, the whole segment is opened,
            // which makes one mapping of many. False: the kernel refuses that too, and the pages may not be used.
            internal static bool TryOpen(Segment* segment, int page, int count)
            {
                nuint pages = ((nuint)count << Segment.PageShift) - SlabTail;
                if (WayOf(segment) == Unguarded || TryOpen(segment, Segment.AddressOf(segment, page), pages))
                    return true;
                if (!TryOpen(segment, (nuint)segment + HeaderBytes, Segment.MappedBytes(segment) - HeaderBytes))
                    return false;

                WayOf(segment) = Unguarded;
                return true;
            }

            // Closes pages that a slab is done with, as far as the kernel lets it; from page 0 on, what nobody uses of a segment just
            // mapped.
            internal static void Close(Segment* segment, int page, int count)
            {
                if (page == 0)
                {
                    CloseFresh(segment);
                    return;
                }

                nuint length = (nuint)count << Segment.PageShift;
                if (WayOf(segment) == Marked)
                    VirtualMemory.TryGuard(Segment.AddressOf(segment, page), length);
                else if (WayOf(segment) == Protected)
                    VirtualMemory.TryProtect(Segment.AddressOf(segment, page), length, accessible: false);
            }

            // Makes a few pages inaccessible wherever they are, if need be by mappings of their own. False: the kernel refuses.
            internal static bool TryClose(nuint address, nuint length) =>
                VirtualMemory.TryGuard(address, length) || VirtualMemory.TryProtect(address, length, accessible: false);

            private static void CloseFresh(Segment* segment)
            {
                nuint length = Segment.MappedBytes(segment) - HeaderBytes;
                if (VirtualMemory.TryGuard((nuint)segment + HeaderBytes, length))
                {
                    WayOf(segment) = Marked;
                    return;
                }

                // If it was refused half-way, what was marked would stay so under any protection.
                VirtualMemory.TryUnguard((nuint)segment + HeaderBytes, length);
                ulong* place = FindPlace(segment);
                if (place == null || !VirtualMemory.TryProtect((nuint)segment + HeaderBytes, length, accessible: false))
                    return;

                ClrVolatile.Write(ref *place, (ulong)segment);
                WayOf(segment) = Protected;
            }

            // How a segment is guarded: the last word of its header, which is zero in a fresh one.
            private static ref int WayOf(Segment* segment)
            {
                Assert(sizeof(Segment) <= Segment.DescriptorBytes - sizeof(int));
                return ref *(int*)((byte*)segment + Segment.DescriptorBytes - sizeof(int));
            }

            private static bool TryOpen(Segment* segment, nuint address, nuint length) =>
                WayOf(segment) == Marked
                    ? VirtualMemory.TryUnguard(address, length)
                    : VirtualMemory.TryProtect(address, length, accessible: true);

            // The place of a fresh segment among those guarded by mappings; null: there are enough.
            private static ulong* FindPlace(Segment* fresh)
            {
                ulong* places = (ulong*)ClrVolatile.Read(ref Heap->Guarded);
                ulong* found = null;
                for (int i = 0; i < MaxProtected; i++)
                {
                    nuint segment = (nuint)places[i];
                    if (segment == (nuint)fresh)
                        return places + i;
                    if (!HasMappings(segment))
                        found = places + i;
                }

                return found;
            }

            // Whether a segment of the list still takes mappings: they go with it, so that nobody has to say so, and a thread that dies
            // forgets nothing.
            private static bool HasMappings(nuint segment)
            {
                nuint kind = segment == 0 ? SlotKind.Free : Space->KindAt(segment);
                // What is being unmapped, or cannot be, has its mappings, and may not be looked at.
                return kind == SlotKind.Segment ? WayOf((Segment*)segment) == Protected : kind is SlotKind.Busy or SlotKind.Retained;
            }
        }
    }
}
