namespace Emma.Templates;

using ClrArgumentException = global::System.ArgumentException;
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
            if (!Compilation.TryRequire(CompilationGroups.ForLarge))
                return null;

            int pageClass = RequireBlock(block, "Realloc");
            if (pageClass == PageMap.Large)
                return ReallocateLarge(block, size, alignment);

            nuint oldSize = SizeOf((nuint)block, pageClass);
            bool aligned = IsAligned(block, alignment);
            if (aligned && TryResizeInPlace((nuint)block, pageClass, oldSize, size))
                return block;

            void* copy = null;
            // A run that has grown once will again, and where threads keep short runs there is no room behind most of them.
            if (size > oldSize && PageMap.IsRun(pageClass) && !LargeBlocks.Takes(size, alignment))
                copy = (void*)AllocateGrowingRun(size, alignment);
            if (copy == null)
                copy = AllocateForCopy(size, alignment);
            if (copy == null)
                return aligned && size <= oldSize ? block : null;

            ClrNativeMemory.Copy(block, copy, ClrMath.Min(oldSize, size));
            ReleaseCopied(block, copy);
            return copy;
        }

        // The same for a large block. It is the caller's alone meanwhile: a thread that frees it is refused, or was first.
        internal static void* ReallocateLarge(void* block, nuint size, nuint alignment)
        {
            ref LargeBlocks large = ref *Large;
            nuint oldLength = large.TryOwn((nuint)block);
            if (oldLength == 0)
                ThrowBadPointer(block, "Realloc", PointerCheck.AlreadyFree);

            bool aligned = IsAligned(block, alignment);
            bool staysLarge = size > SizeClasses.MaxSize && size <= AddressSpace.MaxBytes && LargeBlocks.Takes(size, alignment);
            if (aligned && staysLarge && large.TryResizeInPlace((nuint)block, oldLength, size))
                return block;

            if (staysLarge && size > oldLength)
            {
                void* moved = Grow(block, oldLength, size, alignment, aligned);
                if (moved != null)
                    return moved;
            }

            void* copy = AllocateForCopy(size, alignment);
            if (copy == null)
            {
                large.Disown((nuint)block, oldLength);
                return aligned && size <= oldLength ? block : null;
            }

            ClrNativeMemory.Copy(block, copy, ClrMath.Min(oldLength, size));
            large.FreeOwned((nuint)block, oldLength);
            return copy;
        }

        internal static bool IsAligned(void* block, nuint alignment) => ((nuint)block & (alignment - 1)) == 0;

        internal static void* AllocateForCopy(nuint size, nuint alignment)
        {
            if (alignment > SizeClasses.Granularity)
                return AllocateAligned(size, alignment);

            void* block = SmallBlocks.TryTake(size);
            return block != null ? block : Allocate(size, false);
        }

        // Frees a block whose contents have been copied. If another thread was first, the copy is nobody's.
        internal static void ReleaseCopied(void* block, void* copy)
        {
            if (SmallBlocks.TryGive(ref block))
                return;

            try
            {
                Release(block);
            }
            catch (ClrArgumentException)
            {
                Release(copy);
                throw;
            }
        }

        // Grows a large block that the caller owns without copying it: by moving, or, once memory has been reclaimed, in either way. Null:
        // neither goes.
        internal static void* Grow(void* block, nuint oldLength, nuint size, nuint alignment, bool inPlace)
        {
            ref LargeBlocks large = ref *Large;
            nuint moved = large.TryMove((nuint)block, oldLength, size, alignment);
            if (moved != 0)
                return (void*)moved;

            Reclaim(int.MaxValue);
            return inPlace && large.TryResizeInPlace((nuint)block, oldLength, size)
                ? block
                : (void*)large.TryMove((nuint)block, oldLength, size, alignment);
        }

        internal static bool TryResizeInPlace(nuint block, int pageClass, nuint oldSize, nuint size)
        {
            if (PageMap.IsSmall(pageClass))
                return size <= oldSize && size >= oldSize / 2;

            if (size is <= SizeClasses.MaxSize or > LargeBlocks.Threshold)
                return false;

            int oldPages = Segment.PagesFor(oldSize);
            int pages = Segment.PagesFor(size);
            if (pages > oldPages)
                return Segments->TryExtendRun(Segment.Of(block), Segment.PageOf(block), oldPages, pages);
            if (pages < oldPages)
            {
                Segments->ShrinkRun(Segment.Of(block), Segment.PageOf(block), oldPages, pages);
                Segments->PurgeSurplus();
            }

            return true;
        }
    }
}
