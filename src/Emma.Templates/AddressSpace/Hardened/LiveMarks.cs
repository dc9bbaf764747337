namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The marks as a hardened heap uses them. Of two threads that free a block with a mapping of its own at once, or one of no bytes,
        // one comes to own it by way of its mark; small blocks have their last eight bytes for that (Canary).
        internal static partial class LiveMarks
        {
            // The mark of an address in one of the heap's windows.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static byte* Of(nuint address)
            {
                AddressSpace* space = &Heap->Space;
                nuint pages = ClrVolatile.Read(ref space->FirstPages);
                nuint offset = unchecked(address - space->FirstBase);
                return offset >> Window.PageShift < pages ? space->FirstMarks + offset / SizeClasses.Granularity : MarkOf(address);
            }

            internal static bool IsLive(nuint block) =>
                block % SizeClasses.Granularity == 0 && ClrVolatile.Read(ref *Of(block)) == Live;

            // Makes a live block's mark Busy. False: none begins at this address.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryOwn(byte* mark, nuint block)
            {
                if (block % SizeClasses.Granularity != 0)
                    return false;

                // The neighbours' marks lie in the same word, and are stored to by their owners.
                ref int word = ref *(int*)((nuint)mark & ~(nuint)(sizeof(int) - 1));
                int shift = (int)((nuint)mark & (sizeof(int) - 1)) * 8;
                while (true)
                {
                    int seen = ClrVolatile.Read(ref word);
                    if (((seen >> shift) & byte.MaxValue) != Live)
                        return false;
                    if (ClrInterlocked.CompareExchange(ref word, seen ^ ((Live ^ Busy) << shift), seen) == seen)
                        return true;
                }
            }

            // Takes off the mark of a block that has a mapping of its own, and whatever else stands among the marks of its first slot.
            internal static void Forget(nuint start, nuint block)
            {
                ClrVolatile.Write(ref *Of(block), 0);
                Syscalls.Madvise((nuint)Of(start), AddressSpace.OsPageSize, Syscalls.MadvDontNeed);
            }
        }
    }
}
