namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Frees a block; refuses what is none.
        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void Release(void* block)
        {
            nuint address = (nuint)block;
            int pageClass = PageMap.ClassOf(address);
            if (!PageMap.IsSmall(pageClass))
            {
                ReleaseBig(block, pageClass);
                return;
            }

            PointerCheck check = Small->Free(address, pageClass);
            if (check != PointerCheck.Valid)
                FinishRelease(block, check);
            GiveBackSurplus();
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void FinishRelease(void* block, PointerCheck check)
        {
            if (check == PointerCheck.ValidAndLast)
                Segments->ReleaseIfEmpty(Segment.Of((nuint)block), givingIsHeld: false);
            else
                ThrowBadPointer(block, "Free", check);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        internal static void ReleaseBig(void* block, int pageClass)
        {
            // Finalizers may free after the heap's memory is gone with its load context: there is nothing left to do.
            if (block == null || HeapState.IsUnloaded)
                return;

            bool mayBegin = pageClass == PageMap.None;
            if (IsPageStart(block) && (pageClass == PageMap.Large || PageMap.IsRun(pageClass)))
            {
                if (pageClass == PageMap.Large ? Large->TryFree((nuint)block) : Small->FreeRun((nuint)block, pageClass))
                {
                    GiveBackSurplus();
                    return;
                }

                // Another thread has freed it just now, or it is kept for the next allocation.
                mayBegin = true;
            }

            ThrowBadPointer(block, "Free", mayBegin ? PointerCheck.AlreadyFree : PointerCheck.NotABlock);
        }

        internal static bool IsPageStart(void* block) => ((nuint)block & (Segment.PageSize - 1)) == 0;

        // The page class of a live block; refuses what is none, as far as the options have it checked.
        internal static int RequireBlock(void* block, string operation)
        {
            int pageClass = PageMap.ClassOf((nuint)block);
            if (PageMap.IsSmall(pageClass))
            {
                if (ChecksBoundaries && Small->Examine((nuint)block, pageClass) is not PointerCheck.Valid and PointerCheck check)
                    ThrowBadPointer(block, operation, check);
            }
            else if (pageClass == PageMap.None || (IsPageStart(block) && PageMap.IsRun(pageClass) && !SmallBlocks.IsLiveRun((nuint)block)))
            {
                ThrowBadPointer(block, operation, PointerCheck.AlreadyFree);
            }
            else if (!IsPageStart(block) || (pageClass != PageMap.Large && !PageMap.IsRun(pageClass)))
            {
                ThrowBadPointer(block, operation, PointerCheck.NotABlock);
            }

            return pageClass;
        }

        // The usable bytes of a live block.
        internal static nuint SizeOf(nuint block, int pageClass) => pageClass switch
        {
            <= SizeClasses.CachedCount => SizeClasses.SizeOf(pageClass),
            PageMap.Run => (nuint)Segments->PagesOfRun(block) << Segment.PageShift,
            _ => Space->LengthAt(block),
        };
    }
}
