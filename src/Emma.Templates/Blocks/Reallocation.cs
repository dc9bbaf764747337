namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrNativeMemory = global::System.Runtime.InteropServices.NativeMemory;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Resizes a live block; null: out of memory, and the block is as it was.
        internal static void* Reallocate(void* block, nuint size, nuint alignment)
        {
            HeapState.EnsureRunning();
            int pageClass = RequireBlock(block, "Realloc");
            nuint oldSize = SizeOf((nuint)block, pageClass);
            bool aligned = ((nuint)block & (alignment - 1)) == 0;
            if (aligned && TryResizeInPlace((nuint)block, pageClass, oldSize, size))
                return block;

            if (pageClass == PageMap.Large && size > oldSize && size <= AddressSpace.MaxBytes)
            {
                void* moved = Grow(block, size, alignment, aligned);
                if (moved != null)
                    return moved;
            }

            void* copy = alignment <= SizeClasses.Granularity ? Allocate(size, false) : AllocateAligned(size, alignment);
            if (copy == null)
                return aligned && size <= oldSize ? block : null;

            ClrNativeMemory.Copy(block, copy, ClrMath.Min(oldSize, size));
            Release(block);
            return copy;
        }

        // Grows a large block without copying it: by moving, or, once memory has been reclaimed, in either way. Null: neither goes.
        internal static void* Grow(void* block, nuint size, nuint alignment, bool inPlace)
        {
            ref LargeBlocks large = ref Heap->Large;
            nuint moved = large.TryMove((nuint)block, size, alignment);
            if (moved != 0)
                return (void*)moved;

            Reclaim(int.MaxValue);
            return inPlace && large.TryResizeInPlace((nuint)block, size) ? block : (void*)large.TryMove((nuint)block, size, alignment);
        }

        internal static bool TryResizeInPlace(nuint block, int pageClass, nuint oldSize, nuint size)
        {
            if (PageMap.IsSmall(pageClass))
                return size <= oldSize && size >= oldSize / 2;

            if (pageClass == PageMap.Large)
                return size > LargeBlocks.Threshold && size <= AddressSpace.MaxBytes && Heap->Large.TryResizeInPlace(block, size);

            if (size is <= SizeClasses.MaxSize or > LargeBlocks.Threshold)
                return false;

            int oldPages = Segment.PagesFor(oldSize);
            int pages = Segment.PagesFor(size);
            if (pages > oldPages)
                return Heap->Segments.TryExtendRun(Segment.Of(block), Segment.PageOf(block), oldPages, pages);
            if (pages < oldPages)
                Heap->Segments.ShrinkRun(Segment.Of(block), Segment.PageOf(block), oldPages, pages);
            return true;
        }
    }
}
