namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
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

            // Stands beside the kind of a segment's slot while its marks are mapped (LiveMarks): they go before the slot is free.
            internal const nuint Marked = 16;

            internal static nuint LengthIn(nuint word) => word & ~(AddressSpace.SmallestPage - 1);
        }

        // The slots of a window: claimed in ascending order, under the lock of the address space. The slot words are what counts; a bit map
        // of those that are not free finds free ones in a time that hardly depends on how many are taken.
        internal partial struct Window
        {
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

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly bool AreFree(nuint slot, nuint count)
            {
                if (slot + count > Size >> SlotShift)
                    return false;

                return count == 0 || NextWith(taken: true, slot, slot + count) == slot + count;
            }

            // Makes free slots the head or the tail of a mapping.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void Take(nuint slot, nuint count, nuint kind)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                for (nuint i = 0; i < count; i++)
                {
                    SetBit(slot + i, taken: true);
                    ClrVolatile.Write(ref Slots[slot + i], kind);
                }

                _taken += count;
                if (slot + count > _slotsUsed)
                    ClrVolatile.Write(ref _slotsUsed, slot + count);
            }

            // Makes slots free, the last one first, so that no other slot ever looks like a tail without a head. Some may be free already,
            // if a thread died while it did that.
            internal void Release(nuint slot, nuint count)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                for (nuint i = count; i > 0; i--)
                {
                    ref nuint word = ref Slots[slot + i - 1];
                    _taken -= ClrVolatile.Read(ref word) == SlotKind.Free ? (nuint)0 : 1;
                    ClrVolatile.Write(ref word, SlotKind.Free);
                    SetBit(slot + i - 1, taken: false);
                }
            }

            // Restores what follows from the slot words.
            internal void Recount()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nuint taken = 0;
                nuint used = 0;
                for (nuint slot = 0; slot < Size >> SlotShift; slot++)
                {
                    bool free = ClrVolatile.Read(ref Slots[slot]) == SlotKind.Free;
                    SetBit(slot, !free);
                    if (free)
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
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nuint end = (nuint)Slots - HeaderBytes + MetadataLength;
                if (_taken == 0)
                {
                    // Slots are words of zeros then, those of a page that the header begins, too.
                    nuint wholeSlots = AlignUp((nuint)Slots, Heap->KernelPage);
                    if (VirtualMemory.TryDiscard(wholeSlots, end - wholeSlots))
                        ClrVolatile.Write(ref _slotsUsed, 0);
                    return;
                }

                nuint magazines = 0;
                for (nuint slot = 0; slot < _slotsUsed; slot++)
                    magazines += (ClrVolatile.Read(ref Slots[slot]) & SlotKind.Mask) == SlotKind.Magazines ? 1U : 0U;
                nuint wholePages = AlignUp((nuint)PageMap, Heap->KernelPage);
                if (magazines == _taken)
                    VirtualMemory.TryDiscard(wholePages, end - wholePages);
            }

            private const nuint BitsPerWord = 64;

            private static nuint NotFound => nuint.MaxValue;

            // Whether so many slots are free at all; they need not lie together.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly bool HasRoomFor(nuint count) => _taken + count <= Size >> SlotShift;

            private readonly nuint FindFree(nuint from, nuint count, nuint step)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                // Slot s is aligned when s + phase is a multiple of step.
                nuint phase = (Base >> SlotShift) & (step - 1);
                nuint slots = Size >> SlotShift;
                nuint slot = from;
                while (true)
                {
                    slot = AlignUp(slot + phase, step) - phase;
                    if (slot > slots || count > slots - slot)
                        return NotFound;

                    nuint free = NextWith(taken: false, slot, slots);
                    if (free == slot)
                    {
                        free = NextWith(taken: true, slot, slot + count);
                        if (free == slot + count)
                            return slot;
                    }

                    slot = free;
                }
            }

            // The first slot from one on that is taken, or free; the end if there is none before it.
            private readonly nuint NextWith(bool taken, nuint from, nuint end)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                ulong inverted = taken ? 0 : ulong.MaxValue;
                nuint word = from / BitsPerWord;
                ulong bits = (TakenBits[word] ^ inverted) & (ulong.MaxValue << (int)(from % BitsPerWord));
                while (bits == 0)
                {
                    word++;
                    if (word * BitsPerWord >= end)
                        return end;
                    bits = TakenBits[word] ^ inverted;
                }

                nuint slot = word * BitsPerWord + (nuint)ulong.TrailingZeroCount(bits);
                return slot < end ? slot : end;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private readonly void SetBit(nuint slot, bool taken)
            {
                ulong bit = 1UL << (int)(slot % BitsPerWord);
                if (taken)
                    TakenBits[slot / BitsPerWord] |= bit;
                else
                    TakenBits[slot / BitsPerWord] &= ~bit;
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
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
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
