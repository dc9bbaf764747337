namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // How a hardened heap takes blocks out of magazines and puts them in.
        internal partial struct ThreadCache
        {
            // A random slot of those that a magazine has up to its last block.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static ulong* Choose(ThreadCache* cache, ulong* last)
            {
                ulong count = (ulong)last % Magazine.Bytes / sizeof(ulong) + 1 - Magazine.HeaderWords;
                return last - (nint)((cache->Quarantine.Next(cache) * count) >> 32);
            }

            // Takes a block of the loaded magazine of a class, the one that a random number says, and marks nothing; 0: it has none.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nuint TakeAny(ThreadCache* cache, int sizeClass)
            {
                ulong* last = (ulong*)TopsOf(cache)[sizeClass] - 1;
                ulong moved = *last;
                if (moved == 0)
                    return 0;

                ulong* chosen = Choose(cache, last);
                ulong block = *chosen;
                // The top first: should the thread end in between, a block is lost, and none is in the magazine twice.
                ClrVolatile.Write(ref TopsOf(cache)[sizeClass], (ulong)last);
                ClrVolatile.Write(ref *chosen, moved);
                return (nuint)block;
            }

            // Puts a block, marked live no more, into the loaded magazine of its class, or wherever there is room.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Give(ThreadCache* cache, int sizeClass, nuint block)
            {
                ulong* top = (ulong*)TopsOf(cache)[sizeClass];
                if (*top == Magazine.Full)
                {
                    GiveSlowly(cache, sizeClass, block);
                    return;
                }

                *top = block;
                TopsOf(cache)[sizeClass] = (ulong)(top + 1);
            }
        }
    }
}
