namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    // How a hardened heap uses a thread's cache.
    private partial struct ThreadCache
    {
        /// <summary>Takes a block of the loaded magazine of a class, the one that a random number says, and marks nothing; 0: it has none.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static nuint TakeAny(ThreadCache* cache, int sizeClass, uint random)
        {
            ulong* last = (ulong*)cache->_tops[sizeClass] - 1;
            ulong moved = *last;
            if (moved == 0)
                return 0;

            ulong* chosen = last - (int)(((ulong)random * (ulong)Magazine.CountAt((ulong)(last + 1))) >> 32);
            ulong block = *chosen;
            // The top first: should the thread end in between, a block is lost, and none is in the magazine twice.
            ClrVolatile.Write(ref cache->_tops[sizeClass], (ulong)last);
            ClrVolatile.Write(ref *chosen, moved);
            return (nuint)block;
        }

        /// <summary>Puts a block, marked live no more, into the loaded magazine of its class, or wherever there is room.</summary>
        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal static void Give(ThreadCache* cache, int sizeClass, nuint block)
        {
            ulong* top = (ulong*)cache->_tops[sizeClass];
            if (*top == Magazine.Full)
            {
                GiveSlowly(cache, sizeClass, block);
                return;
            }

            *top = block;
            cache->_tops[sizeClass] = (ulong)(top + 1);
        }
    }
}
