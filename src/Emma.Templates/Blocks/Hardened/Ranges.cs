namespace Emma.Templates;

using ClrArgumentException = global::System.ArgumentException;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Refuses memory about to be read or written if it begins in this heap and does not lie within one live block. What begins
        // elsewhere is not judged.
        internal static void RequireRange(void* start, nuint size, string operation)
        {
            nuint address = (nuint)start;
            if (size == 0 || !HeapState.IsRunning || Space->Find(address) == null)
                return;

            nuint left;
            int pageClass = PageMap.ClassOf(address);
            if (PageMap.IsSmall(pageClass))
                left = LeftInSmallBlock(address, pageClass);
            else if (pageClass is PageMap.Large or PageMap.LargeTail)
                left = Small->Empty.Contains(address) ? 0 : LeftInMappedBlock(address);
            else if (Space->KindAt(address & ~(Window.SlotSize - 1)) == SlotKind.Segment)
                left = 0;
            else
                return;

            if (left < size)
            {
                string finding = left == 0 ? "no live block of this heap lies" : $"only {left} bytes of a block are left";
                throw new ClrArgumentException($"{HeapName}.{operation} was given {size} bytes at 0x{address:x}, where {finding}.");
            }
        }

        internal static nuint LeftInSmallBlock(nuint address, int pageClass)
        {
            nuint left = 0;
            MarkReader reader = MarkReaders.Enter(address);
            if (PageMap.ClassOf(address) == pageClass)
            {
                Slab* slab = Slab.Of(address);
                nuint blockSize = BlockSizes.Of((nuint)pageClass);
                nuint block = Slab.AddressOf(slab) + (nuint)Slab.IndexOf(slab, address) * blockSize;
                if (Slab.IndexOf(slab, address) < slab->Capacity
                    && Canary.TryRequire(block, blockSize, LiveMarks.Of(block), out nuint size)
                    && address - block < size)
                {
                    left = size - (address - block);
                }
            }

            MarkReaders.Leave(reader);
            return left;
        }

        internal static nuint LeftInMappedBlock(nuint address)
        {
            byte* notReplaced = stackalloc byte[LongLoop.Bytes];
            Window* window = Space->Find(address);
            nuint slot = window->SlotOf(address);
            while (slot != 0 && (ClrVolatile.Read(ref window->Slots[slot]) & SlotKind.Mask) == SlotKind.Tail)
                slot--;
            nuint block = MappedBlocks.BlockAt(window->AddressOf(slot), out nuint size);
            return address >= block && address - block < size ? size - (address - block) : 0;
        }
    }
}
