namespace Emma.Templates;

using ClrEncoding = global::System.Text.Encoding;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // A stretch of addresses from which a heap maps: its slots and its page map. The structure lies at the start of a mapping of its
        // own below the window, `header | label | slot words | their bits | records | page map`, which is touched only as far as the window
        // is used; below that is the place of the marks, where a heap has any, which are mapped with the slots they are about (LiveMarks).
        // Slots change under the address space's lock, or by their owner.
        internal partial struct Window
        {
            internal const int SlotShift = 22;
            internal const nuint SlotSize = VirtualMemory.Unit;
            internal const int PageShift = SizeClasses.PageShift;
            internal const nuint PageSize = SizeClasses.PageSize;

            // 64 GiB: a page map of 1 MiB. A window made for a larger block is larger.
            internal static nuint DefaultSize => unchecked((nuint)(1UL << 36));

            // 4 GiB: what describes the smallest window, 80 KiB, is 1 % of a limit of 8 MiB. The generator knows the figure (FirstBlock).
            private static nuint SmallestSize => unchecked((nuint)(1UL << 32));

            // How many times a limit a window is as long: a power of two. What describes it is a thousandth of the limit, and before an
            // address comes back, so much was mapped and unmapped, or more.
            private const int LimitsPerWindow = 64;

            // The bytes of a window that is made now: shorter where there is a limit, because what describes it counts against that.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint SizeUnder(long limit)
            {
                nuint size = DefaultSize;
                while (limit != 0 && size > SmallestSize && size / 2 / LimitsPerWindow >= (nuint)limit)
                    size /= 2;
                return size;
            }

            // Marks the structure for heaps that look for the owner of a foreign pointer; the last digits version its layout.
            private const ulong MagicLow = 0x6E69572D616D6D45, MagicHigh = 0x3330302D776F646E;

            // Bytes of the header and the label together.
            internal const nuint HeaderBytes = AddressSpace.SmallestPage;

            // The gap between metadata and window: an overrun of one faults before it reaches the other.
            private const nuint GuardBytes = SlotSize;

            // Windows begin between one and five eighths of the addresses: far above the program and its brk heap, far below the kernel's
            // own choices. There are 47 bits of them, or on some kernels 42 or 39, which refuse a place beyond, so that it is sought there
            // next. The base two logarithm of an eighth of each:
            private const int WideShift = 44;
            private const int NarrowShift = 39;
            private const int NarrowestShift = 36;

            private const int WidthCount = 3;

            // Eighths among which the base is drawn, and those that lie behind the last of them.
            private const int BaseEighths = 4;
            private const int EighthsBehind = 3;

            // In each width; a power of two.
            private const int MapAttempts = 16;

            // So many attempts demand that none of the window is taken, where addresses are few.
            private const int ChoosyAttempts = 12;

            private static byte[]? s_label;

            internal ulong MagicA, MagicB;
            internal nuint Base;
            internal nuint Size;
            internal nuint MetadataLength;
            internal nuint* Slots;

            // A bit for each slot: whether it is not free.
            internal ulong* TakenBits;

            internal byte* PageMap;

            // The place of the marks of live blocks, where a heap has any. Only those of slots that say so are mapped.
            internal byte* Marks;

            // A word for each slot that says what begins there, where a heap has those (MappedBlocks).
            internal ulong* Records;

            // The slot at which the search for free ones goes on.
            private nuint _cursor;

            // One more than the highest slot used since the window was last empty.
            private nuint _slotsUsed;

            // Slots that are not free.
            private nuint _taken;

            private nint _next;
            internal int LabelLength;

            // The UTF-8 name of the heap and its assembly, behind the structure.
            internal readonly byte* Label
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => (byte*)(Base - GuardBytes - MetadataReach) + sizeof(Window);
            }

            internal static nuint LabelCapacity => HeaderBytes - (nuint)sizeof(Window);

            internal Window* Next
            {
                readonly get => (Window*)ClrVolatile.Read(in _next);
                set => ClrVolatile.Write(ref _next, (nint)value);
            }

            internal readonly nuint SlotsUsed => ClrVolatile.Read(in _slotsUsed);

            // Bytes of a window's metadata, for a window of some size.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint MetadataBytes(nuint size) =>
                AlignUp(HeaderBytes + (size >> SlotShift) * (nuint)sizeof(nuint) + BitBytes(size) + RecordBytes(size) + (size >> PageShift),
                    Heap->KernelPage);

            private static nuint BitBytes(nuint size) => AlignUp(size >> SlotShift, 64) / 8;

            private static nuint RecordBytes(nuint size) => IsHardened ? (size >> SlotShift) * sizeof(ulong) : 0;

            private readonly nuint MetadataReach
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => AlignUp(MetadataLength, SlotSize);
            }

            // Bytes of addresses below the metadata that the marks have, and a gap.
            private static nuint MarksReach(nuint size) =>
                LiveMarks.BytesPerSegment == 0 ? 0 : (size >> SlotShift) * LiveMarks.BytesPerSegment + GuardBytes;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly bool Contains(nuint address) => unchecked(address - Base) < Size;

            // Whether the window, its metadata or the place of its marks lies in a range in part.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly bool Overlaps(nuint start, nuint end) =>
                start < Base + Size && end > Base - GuardBytes - MetadataReach - MarksReach(Size);

            internal readonly nuint SlotOf(nuint address) => (address - Base) >> SlotShift;

            internal readonly nuint AddressOf(nuint slot) => Base + (slot << SlotShift);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly byte* ClassOf(nuint address) => PageMap + ((address - Base) >> PageShift);

            internal readonly bool IsOfAnyHeap => MagicA == MagicLow && MagicB == MagicHigh;

            // Maps a window that has room for a mapping of some length and alignment; null if the limit or the kernel refuses.
            internal static Window* Map(ref AddressSpace space, nuint length, nuint alignment)
            {
                // The window begins at a multiple of the alignment, so that its first slot will do.
                nuint unit = alignment > SlotSize ? alignment : SlotSize;
                nuint size = SizeUnder(Policy.Limit);
                if (length > size)
                    size = AlignUp(length, SlotSize);
                nuint metadata = MetadataBytes(size);
                if (!space.TryChargeMetadata(metadata))
                    return null;
                nuint reach = GuardBytes + AlignUp(metadata, SlotSize);
                for (int attempt = 0; attempt < WidthCount * MapAttempts; attempt++)
                {
                    int shift = attempt < MapAttempts ? WideShift : attempt < 2 * MapAttempts ? NarrowShift : NarrowestShift;
                    nuint lowest = (nuint)1 << shift;
                    if (unit > lowest || size > EighthsBehind * lowest)
                        break;

                    nuint start = lowest + (nuint)(Random() % (BaseEighths * lowest / unit)) * unit;
                    if (space.HasWindowIn(start - reach - MarksReach(size), start + size))
                        continue;

                    if (shift != WideShift && attempt % MapAttempts < ChoosyAttempts)
                    {
                        nint probe = VirtualMemory.ReserveAt(start, size);
                        // What is not taken back lies in the way.
                        if (probe == VirtualMemory.PlaceTaken || (probe > 0 && !VirtualMemory.TryUnmap(start, size)))
                            continue;
                    }

                    nint result = VirtualMemory.MapAt(start - reach, metadata, metadata);
                    if (result == (nint)(start - reach))
                    {
                        Window* window = (Window*)(start - reach);
                        window->Initialize(start, size, metadata);
                        return window;
                    }

                    if (result != VirtualMemory.PlaceTaken)
                    {
                        // There is no memory, if the kernel has addresses so high, or no such address.
                        if (Heap->KernelAddress >= lowest)
                            break;

                        attempt |= MapAttempts - 1;
                    }
                }

                space.UnchargeMetadata(metadata);
                return null;
            }

            // Unmaps a window's metadata. False: the kernel refused, and the structure is there still.
            internal static bool TryUnmap(Window* window) => VirtualMemory.TryUnmap((nuint)window, window->MetadataLength);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Initialize(nuint start, nuint size, nuint metadata)
            {
                Base = start;
                Size = size;
                MetadataLength = metadata;
                Slots = (nuint*)(start - GuardBytes - AlignUp(metadata, SlotSize) + HeaderBytes);
                TakenBits = (ulong*)(Slots + (size >> SlotShift));
                Records = (ulong*)((byte*)TakenBits + BitBytes(size));
                PageMap = (byte*)Records + RecordBytes(size);
                nuint marks = start - GuardBytes - MetadataReach - MarksReach(size);
                Marks = LiveMarks.BytesPerSegment == 0 ? null : (byte*)marks;
                LabelLength = CopyLabel();
                MagicA = MagicLow;
                MagicB = MagicHigh;
            }

            // Names the heap for windows to come: its own name and its assembly's. Any number of threads may set the same.
            internal static void SetLabel(string label) => ClrVolatile.Write(ref s_label, ClrEncoding.UTF8.GetBytes(label));

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private readonly int CopyLabel()
            {
                byte[] label = s_label!;
                int length = label.Length < (int)LabelCapacity ? label.Length : (int)LabelCapacity;
                for (int i = 0; i < length; i++)
                    Label[i] = label[i];
                return length;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static ulong Random()
            {
                ulong random;
                if (!VirtualMemory.TryDraw(&random))
                    random = unchecked((ulong)ClrStopwatch.GetTimestamp() * 0x9E37_79B9_7F4A_7C15);
                return random;
            }
        }
    }
}
