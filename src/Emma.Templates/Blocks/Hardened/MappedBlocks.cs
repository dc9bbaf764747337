namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStackTraceHidden = global::System.Diagnostics.StackTraceHiddenAttribute;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks with a mapping of their own, in a hardened heap all beyond the small ones: slots come in turn, so that a freed block's
        // addresses are not used again before the window has been gone through, and they are not filled up to their end, so that whoever
        // runs past a block's end faults.
        // A block lies at the end of its mapping, as nearly as its alignment allows, so it begins within the first 4 KiB. The rest of the
        // mapping holds a pattern. What describes the block stands among the marks, at a place that belongs to its slot and that no block's
        // mark has.
        [ClrStackTraceHidden]
        internal static class MappedBlocks
        {
            // Where the record lies behind the mark of a slot's first address: behind those of its first 4 KiB.
            private const nuint RecordOffset = AddressSpace.OsPageSize / SizeClasses.Granularity;

            // Allocates a block; null: out of memory.
            internal static void* Allocate(nuint size, nuint alignment)
            {
                if (size > AddressSpace.MaxBytes || alignment > AddressSpace.MaxBytes)
                    return null;

                nuint length = LengthFor(size);
                bool fillsSlots = length % Window.SlotSize == 0;
                nuint mapped = fillsSlots ? length + AddressSpace.OsPageSize : length;
                nuint start = (nuint)AllocateBig(mapped, alignment, false);
                if (start == 0)
                    return null;

                // Its slots end where it does: a page more lies between it and the next.
                if (fillsSlots)
                    Guards.TryClose(start + length, AddressSpace.OsPageSize);

                nuint unit = ClrMath.Max(alignment, SizeClasses.Granularity);
                nuint block = start + ((length - size) & ~(unit - 1));
                ulong pattern = Canary.PatternOf(start);
                Record(start, block - start, size);
                FillAround(start, block, size, pattern);
                ClrVolatile.Write(ref *LiveMarks.Of(block), LiveMarks.Live);
                return (void*)block;
            }

            // Unmaps a block. False: no live one begins there.
            internal static bool TryFree(nuint address, int pageClass)
            {
                if (pageClass == PageMap.LargeTail)
                    return Heap->Small.Empty.TryFree(address);
                if (pageClass != PageMap.Large || !LiveMarks.TryOwn(LiveMarks.Of(address), address))
                    return false;

                nuint start = StartOf(address);
                RequireIntact(start, address);
                // The marks go before the slot does, which may be another block's at once.
                LiveMarks.Forget(start, address);
                bool freed = Heap->Large.TryFree(start);
                Assert(freed);
                return freed;
            }

            // The requested size of a block. False: no live one begins there.
            internal static bool TryGetSize(nuint address, int pageClass, out nuint size)
            {
                size = 0;
                if (pageClass == PageMap.LargeTail)
                    return Heap->Small.Empty.Contains(address) && LiveMarks.IsLive(address);
                if (pageClass != PageMap.Large || !LiveMarks.IsLive(address))
                    return false;

                size = RequireIntact(StartOf(address), address);
                return true;
            }

            // The block in a mapping whose first slot begins at an address. The caller owns the block.
            internal static nuint BlockAt(nuint start, out nuint size)
            {
                nuint* record = RecordOf(start);
                size = record[0];
                return start + record[1];
            }

            private static nuint LengthFor(nuint size) => AlignUp(ClrMath.Max(size, 1), AddressSpace.OsPageSize);

            internal static nuint StartOf(nuint block) => block & ~(Window.SlotSize - 1);

            private static nuint* RecordOf(nuint start) => (nuint*)(LiveMarks.Of(start) + RecordOffset);

            private static void Record(nuint start, nuint offset, nuint size)
            {
                nuint* record = RecordOf(start);
                record[0] = size;
                record[1] = offset;
            }

            // The requested size; ends the process if what lies around the block was overwritten.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static nuint RequireIntact(nuint start, nuint block)
            {
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

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveOptimization)]
            private static void FillAround(nuint start, nuint block, nuint size, ulong pattern)
            {
                // The block begins at a multiple of 16 behind the start.
                Canary.Fill(start, block, pattern);
                for (nuint address = block + size; address < start + LengthFor(size); address++)
                    *(byte*)address = (byte)(pattern & byte.MaxValue);
            }
        }
    }
}
