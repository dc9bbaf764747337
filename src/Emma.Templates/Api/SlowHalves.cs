namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

// What the public methods have in common: their slow halves, and the checks of their arguments.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocSlowly(nuint byteCount)
        {
            void* block = AllocateBlock(byteCount, false);
            if (block == null)
                ThrowOutOfMemory(byteCount);
            return block;
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AllocZeroedSlowly(nuint byteCount)
        {
            void* block = AllocateBlock(byteCount, true);
            if (block == null)
                ThrowOutOfMemory(byteCount);
            return block;
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* AlignedAllocSlowly(nuint byteCount, nuint alignment)
        {
            RequireAlignment(alignment);
            void* block = AllocateAlignedBlock(byteCount, alignment);
            if (block == null)
                ThrowOutOfMemory(byteCount);
            return block;
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void* TryAllocSlowly(nuint byteCount) => AllocateBlock(byteCount, false);

        // The fast half of an aligned allocation; null: the slow half does the whole.
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void* TryTakeAligned(nuint byteCount, nuint alignment)
        {
            // As SizeClasses.OfAligned.
            return (byteCount | alignment) <= SizeClasses.MaxSize && nuint.IsPow2(alignment)
                ? SmallBlocks.TryTake(AlignUp(byteCount == 0 ? 1 : byteCount, alignment))
                : null;
        }

        internal static void RequireAlignment(nuint alignment)
        {
            if (!nuint.IsPow2(alignment))
                ThrowBadAlignment(alignment);
        }
    }
}
