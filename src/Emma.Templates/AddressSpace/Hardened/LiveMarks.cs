namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The marks as a hardened heap uses them. Of two threads that free a block of no bytes at once, one comes to own it by way of its
        // mark; small blocks have their last eight bytes for that (Canary), and those with mappings of their own a record (MappedBlocks).
        internal static partial class LiveMarks
        {
            // The mark of an address in one of the heap's windows.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static byte* Of(nuint address)
            {
                AddressSpace* space = Space;
                nuint pages = ClrVolatile.Read(ref space->FirstPages);
                nuint offset = unchecked(address - space->FirstBase);
                return offset >> Window.PageShift < pages ? space->FirstMarks + offset / SizeClasses.Granularity : MarkOf(address);
            }

            // Makes a live block's mark Busy. False: it is no such mark.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryOwn(byte* mark)
            {
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
        }
    }
}
