namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrVolatile = global::System.Threading.Volatile;

// Segments: where the heap's memory comes from, and where a pointer's block is found.
//
// Basic design
//   All of a heap's memory lies in a window (Window): 64 GiB of addresses from a random start, not reserved, cut into slots
//   of 4 MiB. A mapping begins at a slot. Slots are handed out in ascending order, so an address comes back only after the
//   window has been gone through once, and a stale pointer faults instead of meeting somebody else's data.
//   Over the window lies the page map, one class byte for every 64 KiB: `map[(p - Base) >> 16]` answers for any pointer
//   value whatever, wild ones included, where its block belongs: nowhere, a slab of some size class, a page run, a large block.
//   Two kinds of mapping exist. A Segment is one slot, shared by slabs and page runs, 64 KiB at a time (SegmentManager).
//   A large block, more than half a segment, is a mapping of its own (LargeBlocks).
//   AddressSpace is the bottom of the layer: it owns the windows, hands out slots, maps, unmaps, and counts every byte
//   mapped against the heap's limit.
//
// Invariants
//   * Mapped = the code pages + each window's metadata + the marks of mapped pages + the mapped length of every slot word; nothing is
//     mapped beyond the limit, but for marks of pages that a segment may still get.
//   * The windows of a heap do not overlap, so that an address has one slot word and one class byte. Those of other heaps may.
//   * A slot word is 0 (free), or mapped length | SlotKind at the head of a mapping and SlotKind.Tail in the slots behind it.
//   * A segment's marks are mapped before its first page has a class, and unmapped after no thread reads them (MarkReaders); meanwhile its
//     slot word says so.
//   * Only what this heap mapped is ever unmapped; a range that munmap refuses stays owned (SlotKind.Retained), is
//     discarded, and is tried again.
//   * A hardened heap maps for blocks only what its spare mappings allow (SpareMappings).
//   * A page's class byte is not 0 only while a slab, run or large block lives there.
//
// Locking (the whole heap, outermost first)
//   the lock of giving back -> a bin's lock -> the segment manager's lock -> the large blocks' lock -> the address space's lock.
//   Against the order locks are only tried. The address space's lock covers choosing and giving back slots and adding a
//   window; mapping, unmapping and discarding happen outside it, on slots marked Busy, which nobody else touches.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The windows of a heap, its mappings and the bytes they come to.
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = 3 * Root.CacheLine)]
        internal partial struct AddressSpace
        {
            // A page of any kernel's is a multiple of this many bytes (Root.KernelPage).
            internal const nuint SmallestPage = 4096;

            private const uint FirstShare = 4;

            // More than any window has, with whatever is added.
            private const nuint AllSlots = int.MaxValue;

            // How often a mapping whose place turns out to be taken by others is tried elsewhere.
            private const int MapAttempts = 64;

            // Addresses of processes end here, or before; no block can be larger.
            internal static nuint MaxBytes => unchecked((nuint)(1UL << 47));

            // The first window's page map, for the lookup that every free makes. FirstPages is 0 until the other two are set.
            internal nuint FirstBase;
            internal byte* FirstPageMap;
            internal nuint FirstPages;

            // The first window's marks of live blocks, where a heap has any.
            internal byte* FirstMarks;

            // Held from taking mappings out of use until they are unmapped and no longer counted, so that whoever finds no room can wait
            // for what is being given back by taking it.
            internal Lock Giving;

            private Lock _lock;
            private nint _first;

            // Windows of before Destroy, which nothing is found through any more: the kernel would not unmap what describes them.
            private nint _spent;

            // The first window of before the last Destroy, for messages.
            private nuint _formerBase;
            private nuint _formerSize;

            // Whether a thread is reading marks of a segment right now: the one call to a layer above, which is made when they are about to
            // go.
            private delegate*<nuint, bool> _areMarksRead;

            private long _mapped;
            private long _peak;
            private long _retained;

            // Slots that are retained because of their marks alone.
            private long _marksRetained;
            private long _metadata;

            private Window* First
            {
                readonly get => (Window*)ClrVolatile.Read(in _first);
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                set
                {
                    ClrVolatile.Write(ref _first, (nint)value);
                    ClrVolatile.Write(ref FirstPages, 0);
                    if (value == null)
                        return;
                    FirstBase = value->Base;
                    FirstPageMap = value->PageMap;
                    FirstMarks = value->Marks;
                    ClrVolatile.Write(ref FirstPages, value->Size >> Window.PageShift);
                }
            }

            // How many slots of the first window are kept from a large block, because the fast paths know that window alone: a quarter, and
            // all of them from one that would take a quarter by itself.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private readonly nuint KeptOfFirst(nuint length)
            {
                Window* first = First;
                nuint share = (first != null ? first->Size : Window.SizeUnder(Policy.Limit)) / FirstShare;
                return length > share ? AllSlots : SlotCountOf(share);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static nuint SlotCountOf(nuint length) => AlignUp(length, Window.SlotSize) / Window.SlotSize;

            internal static void Initialize(AddressSpace* space, delegate*<nuint, bool> areMarksRead) =>
                space->_areMarksRead = areMarksRead;

            // Maps fresh, zeroed memory at the head of free slots.
            // length: Bytes, a multiple of the kernel's page.
            // alignment: A power of two; at least a slot is given.
            // kind: What the head slot becomes.
            // isSegment: Whether it is for small blocks: the fast paths find them in the first window only, and they have marks, which are
            // charged together with it: charged before, they might be in the way of somebody who has room without them.
            // Returns: the address, or 0: the limit is reached or the kernel refused.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal nuint Map(nuint length, nuint alignment, nuint kind, bool isSegment = false)
            {
                Assert(length % Heap->KernelPage == 0 && length <= MaxBytes);
                nuint metadata = isSegment ? CountedMarks(length) : 0;
                if (!TryCharge(length + metadata))
                    return 0;

                nuint address = MapUncharged(length, alignment, isSegment);
                if (address == 0)
                {
                    Uncharge(length + metadata);
                    return 0;
                }

                ClrInterlocked.Add(ref _metadata, (long)metadata);
                NotePeak();
                Publish(address, length, kind);
                return address;
            }

            // Maps at the head of free slots, which stay Busy. The caller has charged the bytes or does not own them yet.
            // accessible: Whether it can be used; else its place is taken, and no more.
            internal nuint MapUncharged(nuint length, nuint alignment, bool isSegment = false, bool accessible = true)
            {
                ref SpareMappings spares = ref *Spares;
                if (!spares.MayMap())
                    return 0;

                for (int attempt = 0; attempt < MapAttempts; attempt++)
                {
                    nuint address = Claim(length, alignment, attempt, isSegment);
                    // A window may have been refused, too.
                    if (address == 0)
                    {
                        spares.NoteRefusal();
                        return 0;
                    }

                    bool isMarked = isSegment && LiveMarks.BytesPerSegment != 0;
                    nint result = isMarked ? LiveMarks.Map(address) : (nint)address;
                    isMarked &= result > 0;
                    if (result > 0)
                    {
                        // The pages of a segment are committed as they are handed out, but for the first.
                        result = accessible
                            ? VirtualMemory.MapAt(address, length, isSegment ? Window.PageSize : length)
                            : VirtualMemory.ReserveAt(address, length);
                    }

                    if (result == (nint)address)
                        return address;

                    if (isMarked && !LiveMarks.TryUnmap(address))
                        RetainMarks(address);
                    else
                        FreeSlots(address, length);
                    if (result != VirtualMemory.PlaceTaken)
                    {
                        spares.NoteRefusal();
                        return 0;
                    }
                }

                return 0;
            }

            // Maps more behind a mapping, within its slot. The caller alone uses the slot. False: the limit or the kernel refuses.
            // metadata: Bytes of metadata that come with it.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal bool TryExtend(nuint address, nuint oldLength, nuint newLength, nuint kind, nuint metadata = 0)
            {
                Assert(newLength <= Window.SlotSize && LengthAt(address) == oldLength);
                nuint added = newLength - oldLength;
                if (!TryCharge(added + metadata))
                    return false;

                if (VirtualMemory.TryMapBehind(address + oldLength, added))
                {
                    ClrInterlocked.Add(ref _metadata, (long)metadata);
                    NotePeak();
                    Publish(address, newLength, kind);
                    return true;
                }

                Uncharge(added + metadata);
                return false;
            }

            // Takes the slots behind a mapping that it needs for its new length, if they are free.
            internal bool TryClaimBehind(nuint address, nuint oldLength, nuint newLength)
            {
                Window* window = Find(address);
                nuint next = window->SlotOf(address) + SlotCountOf(oldLength);
                nuint count = SlotCountOf(newLength) - SlotCountOf(oldLength);
                Enter();
                bool free = window->AreFree(next, count);
                if (free)
                    window->Take(next, count, SlotKind.Tail);
                _lock.Release();
                return free;
            }

            // Gives back slots taken by TryClaimBehind.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void ReleaseBehind(nuint address, nuint oldLength, nuint newLength)
            {
                Window* window = Find(address);
                Enter();
                window->Release(window->SlotOf(address) + SlotCountOf(oldLength), SlotCountOf(newLength) - SlotCountOf(oldLength));
                _lock.Release();
            }

            // Frees the slots of a mapping that is gone.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void FreeSlots(nuint address, nuint length)
            {
                Window* window = Find(address);
                Enter();
                window->Release(window->SlotOf(address), SlotCountOf(length));
                _lock.Release();
            }

            // The kind of the slot that begins at the address; Free where there is none.
            internal readonly nuint KindAt(nuint address)
            {
                Window* window = Find(address);
                return window == null ? SlotKind.Free : ClrVolatile.Read(ref window->Slots[window->SlotOf(address)]) & SlotKind.Mask;
            }

            // The mapped length of the slot that begins at the address.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly nuint LengthAt(nuint address)
            {
                Window* window = Find(address);
                return SlotKind.LengthIn(ClrVolatile.Read(ref window->Slots[window->SlotOf(address)]));
            }

            // Sets the word of a slot the caller owns; whether its marks are mapped stays as it is.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly void Publish(nuint address, nuint length, nuint kind)
            {
                Window* window = Find(address);
                ref nuint word = ref window->Slots[window->SlotOf(address)];
                ClrVolatile.Write(ref word, length | kind | (ClrVolatile.Read(ref word) & SlotKind.Marked));
            }

            // Whether the marks of the slot that begins at the address are mapped.
            internal readonly bool IsMarkedAt(nuint address)
            {
                Window* window = Find(address);
                return (ClrVolatile.Read(ref window->Slots[window->SlotOf(address)]) & SlotKind.Marked) != 0;
            }

            // Says whether the marks of a slot that the caller owns are mapped.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly void SetMarked(nuint address, bool marked)
            {
                Window* window = Find(address);
                ref nuint word = ref window->Slots[window->SlotOf(address)];
                nuint rest = ClrVolatile.Read(ref word) & ~SlotKind.Marked;
                ClrVolatile.Write(ref word, marked ? rest | SlotKind.Marked : rest);
            }

            // Changes a slot from one kind to Busy, so that the caller alone owns it.
            // Returns: the mapped length, or 0 if the slot was not of that kind.
            internal readonly nuint TryOwn(nuint address, nuint kind) => TryOwn(address, kind, out nuint length) ? length : 0;

            private readonly bool TryOwn(nuint address, nuint kind, out nuint length)
            {
                length = 0;
                Window* window = Find(address);
                if (window == null)
                    return false;

                ref nuint word = ref window->Slots[window->SlotOf(address)];
                nuint seen = ClrVolatile.Read(ref word);
                length = SlotKind.LengthIn(seen);
                return (seen & SlotKind.Mask) == kind
                    && ClrInterlocked.CompareExchange(ref word, (seen & ~SlotKind.Mask) | SlotKind.Busy, seen) == seen;
            }

            // The window that an address lies in, or null.
            internal readonly Window* Find(nuint address)
            {
                Window* window = First;
                while (window != null && !window->Contains(address))
                    window = window->Next;
                return window;
            }

            // Whether an address lies where the heap's first window was before the last Destroy, and no window is now.
            internal readonly bool HadBeforeDestroy(nuint address) =>
                unchecked(address - _formerBase) < _formerSize && Find(address) == null;

            // Whether a window of this heap lies in a range of addresses, in part. The caller holds the lock.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly bool HasWindowIn(nuint start, nuint end)
            {
                Window* window = First;
                while (window != null && !window->Overlaps(start, end))
                    window = window->Next;
                return window != null;
            }

            // A walk over the slots as they are now. Slots that change meanwhile may be missed.
            internal readonly SlotWalk Walk() => new SlotWalk(First);

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Enter()
            {
                if (_lock.AcquireInlined())
                    Recover();
            }

            // Counts the windows' slots anew after a thread died while it changed them. Lost are slots that the thread had taken, and a
            // window that it was making.
            private void Recover()
            {
                First = First;
                for (Window* window = First; window != null; window = window->Next)
                    window->Recount();
            }

            // Whether the kernel might grant so much at all. A window is made and written for it first, which is dear for a length that is
            // but somebody's mistake; unlike the heap's own mappings this one asks the kernel to judge by the machine's memory.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool IsConceivable(nuint length) => VirtualMemory.IsConceivable(length);

            // Chooses free slots and marks them Busy; adds a window if no window has room.
            // length: Bytes.
            // alignment: A power of two.
            // failures: How many places turned out to be taken: the next one is sought that much farther away.
            // isSegment: Whether it is for small blocks.
            private nuint Claim(nuint length, nuint alignment, int failures, bool isSegment)
            {
                if (length > Window.DefaultSize && !IsConceivable(length))
                    return 0;

                nuint address = 0;
                Enter();
                Window* last = null;
                for (Window* window = First; window != null && address == 0; window = window->Next)
                {
                    nuint kept = isSegment || window != First ? 0 : KeptOfFirst(length);
                    if (window->HasRoomFor(SlotCountOf(length) + kept))
                        address = window->Claim(SlotCountOf(length), alignment, failures);
                    last = window;
                }

                if (address == 0 && last == null && KeptOfFirst(length) == AllSlots)
                {
                    last = Window.Map(ref this, Window.SlotSize, Window.SlotSize);
                    First = last;
                }

                if (address == 0)
                {
                    Window* added = Window.Map(ref this, length, alignment);
                    if (added != null)
                    {
                        address = added->Claim(SlotCountOf(length), alignment, 0);
                        if (last == null)
                            First = added;
                        else
                            last->Next = added;
                    }
                }

                _lock.Release();
                return address;
            }
        }
    }
}
