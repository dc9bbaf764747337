namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMath = global::System.Math;
using ClrStackTraceHidden = global::System.Diagnostics.StackTraceHiddenAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks with a mapping of their own, in a hardened heap all beyond the small ones: slots come in turn, so that a freed block's
        // addresses are not used again before the window has been gone through, and they are not filled up to their end, so that whoever
        // runs past a block's end faults.
        // A block lies at the end of its mapping, as nearly as its alignment allows, so it begins within its first page of the kernel's.
        // The rest of the mapping holds a pattern. A word of the window says of each slot whether such a block begins in it, where, and how
        // long it is: the record, which whoever frees the block exchanges, so that of two threads one comes to own it.
        [ClrStackTraceHidden]
        internal static class MappedBlocks
        {
            // A record, from the lowest bit on: a state, 0 for no block; where the block begins in its first page of up to 64 KiB, in
            // multiples of 16; its size.
            private const ulong StateMask = 3;
            private const ulong Live = 1;
            private const ulong Busy = 2;
            private const int OffsetShift = 2;
            private const int SizeShift = OffsetShift + 12;

            // Allocates a block; null: out of memory.
            internal static void* Allocate(nuint size, nuint alignment)
            {
                if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                    return null;

                nuint length = LengthFor(size);
                bool fillsSlots = length % Window.SlotSize == 0;
                nuint mapped = fillsSlots ? length + Heap->KernelPage : length;
                nuint start = (nuint)AllocateBig(mapped, alignment, false);
                if (start == 0)
                    return null;

                // Its slots end where it does: a page more lies between it and the next.
                if (fillsSlots)
                    Guards.TryClose(start + length, Heap->KernelPage);

                nuint unit = ClrMath.Max(alignment, SizeClasses.Granularity);
                // One of no bytes, too, begins within the first page.
                nuint block = start + ((length - ClrMath.Max(size, 1)) & ~(unit - 1));
                ulong pattern = Canary.PatternOf(start);
                FillAround(start, block, size, pattern);
                ulong offset = (block - start) / SizeClasses.Granularity;
                ClrVolatile.Write(ref *RecordOf(start), Live | (offset << OffsetShift) | ((ulong)size << SizeShift));
                return (void*)block;
            }

            // Unmaps a block. False: no live one begins there.
            internal static bool TryFree(nuint address, int pageClass)
            {
                if (pageClass == PageMap.LargeTail)
                    return Small->Empty.TryFree(address);
                nuint start = StartOf(address);
                if (pageClass != PageMap.Large || !TryOwn(start, address))
                    return false;

                RequireIntact(start, address);
                // The record goes before the slot does, which may be another block's at once.
                ClrVolatile.Write(ref *RecordOf(start), 0);
                bool freed = Large->TryFree(start);
                Assert(freed);
                return freed;
            }

            // The requested size of a block. False: no live one begins there.
            internal static bool TryGetSize(nuint address, int pageClass, out nuint size)
            {
                size = 0;
                if (pageClass == PageMap.LargeTail)
                    return Small->Empty.IsLive(address);

                nuint start = StartOf(address);
                if (pageClass != PageMap.Large || !IsLive(ClrVolatile.Read(ref *RecordOf(start)), start, address))
                    return false;

                size = RequireIntact(start, address);
                return true;
            }

            // The block in a mapping whose first slot begins at an address; one of no bytes at its start if there is none.
            internal static nuint BlockAt(nuint start, out nuint size)
            {
                ulong record = ClrVolatile.Read(ref *RecordOf(start));
                size = (nuint)(record >> SizeShift);
                return BlockIn(record, start);
            }

            private static nuint BlockIn(ulong record, nuint start) =>
                start + ((nuint)(record >> OffsetShift) & ((1 << (SizeShift - OffsetShift)) - 1)) * SizeClasses.Granularity;

            private static bool IsLive(ulong record, nuint start, nuint block) =>
                (record & StateMask) == Live && BlockIn(record, start) == block;

            // Makes a live block the caller's. False: none begins at this address.
            private static bool TryOwn(nuint start, nuint block)
            {
                ulong* word = RecordOf(start);
                ulong record = ClrVolatile.Read(ref *word);
                return IsLive(record, start, block) && ClrInterlocked.CompareExchange(ref *word, record ^ (Live ^ Busy), record) == record;
            }

            private static nuint LengthFor(nuint size) => AlignUp(ClrMath.Max(size, 1), Heap->KernelPage);

            internal static nuint StartOf(nuint block) => block & ~(Window.SlotSize - 1);

            private static ulong* RecordOf(nuint start)
            {
                Window* window = Space->Find(start);
                return window->Records + window->SlotOf(start);
            }

            // The requested size; ends the process if what lies around the block was overwritten.
            private static nuint RequireIntact(nuint start, nuint block)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nuint recorded = BlockAt(start, out nuint size);
                Assert(recorded == block);
                ulong pattern = Canary.PatternOf(start);
                nuint end = start + LengthFor(size);
                if (!Canary.IsFilled(start, block, pattern))
                    Corruption.Underrun(block);
                for (nuint address = block + size; address < end; address++)
                {
                    if (*(byte*)address != (byte)(pattern & byte.MaxValue))
                        Corruption.Overrun(block, size);
                }

                return size;
            }

            private static void FillAround(nuint start, nuint block, nuint size, ulong pattern)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                // The block begins at a multiple of 16 behind the start.
                Canary.Fill(start, block, pattern);
                for (nuint address = block + size; address < start + LengthFor(size); address++)
                    *(byte*)address = (byte)(pattern & byte.MaxValue);
            }
        }
    }
}
