namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How a mapping becomes longer: where it lies, or by moving its pages, not its bytes.
        internal partial struct LargeBlocks
        {
            // A block of this size or more, if the cache may keep it, is mapped with huge pages where the kernel has any: faults cost more
            // than what they clear. A larger one may be meant to be used sparsely, and each byte touched would cost 2 MiB.
            private const nuint HugePagesFrom = (nuint)4 << 20;

            // Has a mapping that has become longer backed by huge pages, or no longer: it takes the advice along when it grows or moves.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void AdviseHugePages(nuint address, nuint oldLength, nuint length)
            {
                // Always the whole mapping, or it would be two to a move.
                if (oldLength <= MaxCachedBytes && length > MaxCachedBytes)
                    VirtualMemory.AdviseHugePages(address, length, wanted: false);
                else if (!IsHardened && oldLength < HugePagesFrom && length >= HugePagesFrom)
                    VirtualMemory.AdviseHugePages(address, length, wanted: true);
            }

            // Lengthens a mapping where it lies, its bytes charged already. False: the kernel refuses, or what lies behind is taken.
            private static bool TryExtend(nuint address, nuint oldLength, nuint length)
            {
                ref AddressSpace space = ref *Space;
                if (!space.TryClaimBehind(address, oldLength, length))
                    return false;
                if (VirtualMemory.TryLengthen(address, oldLength, length))
                {
                    AdviseHugePages(address, oldLength, length);
                    return true;
                }

                space.ReleaseBehind(address, oldLength, length);
                return false;
            }

            // Moves a mapping's pages to a longer one at free slots, its bytes charged already. The old place's slots are the caller's to
            // free.
            // Returns: the new place, Busy; 0: the kernel refuses.
            private static nuint TryMovePages(nuint address, nuint oldLength, nuint length, nuint alignment)
            {
                if (!VirtualMemory.CanMove)
                    return 0;

                // An inaccessible mapping proves the place to be ours before the move replaces whatever lies there.
                nuint target = Space->MapUncharged(length, alignment, accessible: false);
                if (target == 0)
                    return 0;

                if (VirtualMemory.TryMove(address, oldLength, length, target))
                {
                    AdviseHugePages(target, oldLength, length);
                    return target;
                }

                GiveUpTarget(target, length);
                return 0;
            }

            // After a failed move the inaccessible target may be there still, or be gone and have another thread's mapping in its
            // place. The place is used again only if it is known to be free or the target's own; else it is abandoned: addresses, not
            // memory.
            private static void GiveUpTarget(nuint target, nuint length)
            {
                ref AddressSpace space = ref *Space;
                nint again = VirtualMemory.ReserveAt(target, length);
                bool ours = again == (nint)target || MappingList.HasInaccessible(target, target + length);
                if (ours && VirtualMemory.TryUnmap(target, length))
                    space.FreeSlots(target, length);
                else
                    space.Publish(target, length, SlotKind.Abandoned);
            }
        }
    }
}
