namespace Emma.Templates;

using ClrEncoding = global::System.Text.Encoding;
using ClrStopwatch = global::System.Diagnostics.Stopwatch;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What a slot of a window is used for; the low bits of its word. The rest of the word is the mapped length.
        internal static class SlotKind
        {
            internal const nuint Free = 0;
            internal const nuint Segment = 1;

            // A live large block.
            internal const nuint Large = 2;

            // A freed large block's mapping, kept for reuse.
            internal const nuint Cached = 3;

            // Memory of magazines: what caches keep their blocks' addresses in. Grows within its slot.
            internal const nuint Magazines = 4;

            // Being mapped, moved or unmapped by one thread.
            internal const nuint Busy = 5;

            // Could not be unmapped: empty, counted as mapped, tried again later.
            internal const nuint Retained = 6;

            // Unusable: the kernel failed half-way, and whose mapping lies there cannot be told.
            internal const nuint Abandoned = 7;

            // Belongs to the mapping that begins in an earlier slot.
            internal const nuint Tail = 8;

            internal const nuint Mask = 15;
        }

        // A stretch of addresses from which a heap maps: its slots and its page map. The structure lies at the start of a mapping of its
        // own below the window, `header | label | slot words | page map`, which is touched only as far as the window is used. Slots change
        // under the address space's lock, or by their owner.
        internal struct Window
        {
            internal const int SlotShift = 22;
            internal const nuint SlotSize = (nuint)1 << SlotShift;
            internal const int PageShift = SizeClasses.PageShift;
            internal const nuint PageSize = SizeClasses.PageSize;

            // 64 GiB: a page map of 1 MiB. A window made for a larger block is larger.
            internal static nuint DefaultSize => unchecked((nuint)(1UL << 36));

            // Marks the structure for heaps that look for the owner of a foreign pointer; the last digits version its layout.
            private const ulong MagicLow = 0x6E69572D616D6D45, MagicHigh = 0x3230302D776F646E;

            // Bytes of the header and the label together.
            internal const nuint HeaderBytes = AddressSpace.OsPageSize;

            // The gap between metadata and window: an overrun of one faults before it reaches the other.
            private const nuint GuardBytes = SlotSize;

            // Windows begin between these: far above the program and its brk heap, far below the kernel's own choices.
            private static nuint LowestBase => unchecked((nuint)(1UL << 44));

            private static nuint HighestBase => unchecked((nuint)(5UL << 44));

            private const int MapAttempts = 16;

            private static byte[]? s_label;

            internal ulong MagicA, MagicB;
            internal nuint Base;
            internal nuint Size;
            internal nuint MetadataLength;
            internal nuint* Slots;
            internal byte* PageMap;

            // The marks of live blocks, where there are any; a mapping of its own.
            internal byte* Marks;

            // The slot at which the search for free ones goes on.
            private nuint _cursor;

            // One more than the highest slot used since the window was last empty.
            private nuint _slotsUsed;

            // Slots that are not free.
            private nuint _taken;

            private nint _next;
            internal int LabelLength;

            // The UTF-8 name of the heap and its assembly, behind the structure.
            internal readonly byte* Label => (byte*)(Base - GuardBytes - MetadataReach) + sizeof(Window);

            internal static nuint LabelCapacity => HeaderBytes - (nuint)sizeof(Window);

            internal Window* Next
            {
                readonly get => (Window*)ClrVolatile.Read(in _next);
                set => ClrVolatile.Write(ref _next, (nint)value);
            }

            internal readonly nuint SlotsUsed => ClrVolatile.Read(in _slotsUsed);

            // Bytes of a window's metadata, for a window of some size.
            internal static nuint MetadataBytes(nuint size) =>
                AlignUp(HeaderBytes + (size >> SlotShift) * (nuint)sizeof(nuint) + (size >> PageShift), AddressSpace.OsPageSize);

            private readonly nuint MetadataReach => AlignUp(MetadataLength, SlotSize);

            internal readonly bool Contains(nuint address) => unchecked(address - Base) < Size;

            // Whether the window, or its metadata, lies in a range in part.
            internal readonly bool Overlaps(nuint start, nuint end) => start < Base + Size && end > Base - GuardBytes - MetadataReach;

            internal readonly nuint SlotOf(nuint address) => (address - Base) >> SlotShift;

            internal readonly nuint AddressOf(nuint slot) => Base + (slot << SlotShift);

            internal readonly byte* ClassOf(nuint address) => PageMap + ((address - Base) >> PageShift);

            internal readonly bool IsOfAnyHeap => MagicA == MagicLow && MagicB == MagicHigh;

            // Maps a window that has room for a mapping of some length and alignment; null if the limit or the kernel refuses.
            internal static Window* Map(ref AddressSpace space, nuint length, nuint alignment)
            {
                // The window begins at a multiple of the alignment, so that its first slot will do.
                nuint unit = alignment > SlotSize ? alignment : SlotSize;
                nuint size = length > DefaultSize ? AlignUp(length, SlotSize) : DefaultSize;
                nuint metadata = MetadataBytes(size);
                if (unit > LowestBase || !space.TryChargeMetadata(metadata))
                    return null;
                if (!LiveMarks.TryMap(size, out byte* marks))
                {
                    space.UnchargeMetadata(metadata);
                    return null;
                }

                nuint reach = GuardBytes + AlignUp(metadata, SlotSize);
                ulong places = (HighestBase - LowestBase) / unit;
                for (int attempt = 0; attempt < MapAttempts; attempt++)
                {
                    nuint start = LowestBase + (nuint)(Random() % places) * unit;
                    if (space.HasWindowIn(start - reach, start + size))
                        continue;

                    nint result = Syscalls.Mmap(start - reach, metadata, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress);
                    if (result == (nint)(start - reach))
                    {
                        Window* window = (Window*)(start - reach);
                        window->Initialize(start, size, metadata);
                        window->Marks = marks;
                        return window;
                    }

                    if (result > 0)
                        Syscalls.Munmap((nuint)result, metadata);
                    if (result is < 0 and not -Syscalls.ErrorExists)
                        break;
                }

                LiveMarks.TryUnmap(marks, size);
                space.UnchargeMetadata(metadata);
                return null;
            }

            // Unmaps a window's metadata and its marks. False: the kernel refused, and the structure is there still.
            internal static bool TryUnmap(Window* window)
            {
                if (!LiveMarks.TryUnmap(window->Marks, window->Size))
                    return false;

                window->Marks = null;
                return Syscalls.Munmap((nuint)window, window->MetadataLength) == 0;
            }

            // Finds free slots, ascending from where the last search ended, and marks them Busy.
            // Returns: the address of the first, or 0.
            internal nuint Claim(nuint count, nuint alignment, int failures)
            {
                nuint step = alignment > SlotSize ? alignment >> SlotShift : 1;
                if (failures > 0)
                    _cursor += (nuint)1 << (failures < 14 ? failures : 14);

                nuint slot = FindFree(_cursor, count, step);
                if (slot == NotFound)
                    slot = FindFree(0, count, step);
                if (slot == NotFound)
                    return 0;

                Take(slot, 1, SlotKind.Busy);
                Take(slot + 1, count - 1, SlotKind.Tail);
                _cursor = slot + count;
                return AddressOf(slot);
            }

            internal readonly bool AreFree(nuint slot, nuint count)
            {
                if (slot + count > Size >> SlotShift)
                    return false;

                for (nuint i = 0; i < count; i++)
                {
                    if (ClrVolatile.Read(ref Slots[slot + i]) != SlotKind.Free)
                        return false;
                }

                return true;
            }

            // Makes free slots the head or the tail of a mapping.
            internal void Take(nuint slot, nuint count, nuint kind)
            {
                for (nuint i = 0; i < count; i++)
                    ClrVolatile.Write(ref Slots[slot + i], kind);
                _taken += count;
                if (slot + count > _slotsUsed)
                    ClrVolatile.Write(ref _slotsUsed, slot + count);
            }

            // Makes slots free, the last one first, so that no other slot ever looks like a tail without a head. Some may be free already,
            // if a thread died while it did that.
            internal void Release(nuint slot, nuint count)
            {
                for (nuint i = count; i > 0; i--)
                {
                    ref nuint word = ref Slots[slot + i - 1];
                    _taken -= ClrVolatile.Read(ref word) == SlotKind.Free ? (nuint)0 : 1;
                    ClrVolatile.Write(ref word, SlotKind.Free);
                }
            }

            // Restores what follows from the slot words.
            internal void Recount()
            {
                nuint taken = 0;
                nuint used = 0;
                for (nuint slot = 0; slot < Size >> SlotShift; slot++)
                {
                    if (ClrVolatile.Read(ref Slots[slot]) == SlotKind.Free)
                        continue;
                    taken++;
                    used = slot + 1;
                }

                _taken = taken;
                ClrVolatile.Write(ref _slotsUsed, used);
            }

            // Gives the kernel the memory of the slot words and the page map of a window in which nothing is mapped: they are all zeros,
            // and zeros again when they are read next. Where magazines are all that is mapped, only the page map is.
            internal void DiscardIfEmpty()
            {
                if (_taken == 0)
                {
                    if (Syscalls.Madvise((nuint)Slots, MetadataLength - HeaderBytes, Syscalls.MadvDontNeed) == 0)
                        ClrVolatile.Write(ref _slotsUsed, 0);
                    return;
                }

                nuint magazines = 0;
                for (nuint slot = 0; slot < _slotsUsed; slot++)
                    magazines += (ClrVolatile.Read(ref Slots[slot]) & SlotKind.Mask) == SlotKind.Magazines ? 1U : 0U;
                nuint wholePages = AlignUp((nuint)PageMap, AddressSpace.OsPageSize);
                if (magazines == _taken)
                    Syscalls.Madvise(wholePages, (nuint)PageMap + (Size >> PageShift) - wholePages, Syscalls.MadvDontNeed);
            }

            private static nuint NotFound => nuint.MaxValue;

            private readonly nuint FindFree(nuint from, nuint count, nuint step)
            {
                // Slot s is aligned when s + phase is a multiple of step.
                nuint phase = (Base >> SlotShift) & (step - 1);
                nuint slots = Size >> SlotShift;
                nuint slot = from;
                while (true)
                {
                    slot = AlignUp(slot + phase, step) - phase;
                    if (slot > slots || count > slots - slot)
                        return NotFound;

                    nuint i = 0;
                    while (i < count && ClrVolatile.Read(ref Slots[slot + i]) == SlotKind.Free)
                        i++;
                    if (i == count)
                        return slot;
                    slot += i + 1;
                }
            }

            private void Initialize(nuint start, nuint size, nuint metadata)
            {
                Base = start;
                Size = size;
                MetadataLength = metadata;
                Slots = (nuint*)(start - GuardBytes - AlignUp(metadata, SlotSize) + HeaderBytes);
                PageMap = (byte*)(Slots + (size >> SlotShift));
                LabelLength = CopyLabel();
                MagicA = MagicLow;
                MagicB = MagicHigh;
            }

            // Names the heap for windows to come: its own name and its assembly's. Any number of threads may set the same.
            internal static void SetLabel(string label) => ClrVolatile.Write(ref s_label, ClrEncoding.UTF8.GetBytes(label));

            private readonly int CopyLabel()
            {
                byte[] label = s_label!;
                int length = label.Length < (int)LabelCapacity ? label.Length : (int)LabelCapacity;
                for (int i = 0; i < length; i++)
                    Label[i] = label[i];
                return length;
            }

            private static ulong Random()
            {
                ulong random;
                if (Syscalls.GetRandom(&random, sizeof(ulong)) != sizeof(ulong))
                    random = unchecked((ulong)ClrStopwatch.GetTimestamp() * 0x9E37_79B9_7F4A_7C15);
                return random;
            }
        }

        // A walk over the used slots of all windows, in order.
        internal struct SlotWalk
        {
            private Window* _window;
            private nuint _slot;

            internal SlotWalk(Window* first)
            {
                _window = first;
                _slot = 0;
            }

            // The address of the next mapping of some kind, or 0 at the end.
            internal nuint Next(nuint kind)
            {
                for (; _window != null; _window = _window->Next, _slot = 0)
                {
                    while (_slot < _window->SlotsUsed)
                    {
                        nuint slot = _slot++;
                        if ((ClrVolatile.Read(ref _window->Slots[slot]) & SlotKind.Mask) == kind)
                            return _window->AddressOf(slot);
                    }
                }

                return 0;
            }
        }
    }
}
