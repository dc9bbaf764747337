namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Where a thread's name lies in a collectible load context: in its cache, so that the heap needs one key and not two, of which the
        // process has few. A thread without a cache asks for its name each time.
        internal static partial class CurrentThread
        {
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static long Kept()
            {
                ThreadCache* cache = SmallBlocks.CurrentCache;
                return cache == null ? 0 : cache->OwnersName;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool TryKeep(long name)
            {
                ThreadCache* cache = SmallBlocks.CurrentCache;
                if (cache != null)
                    cache->OwnersName = name;
                return cache != null;
            }
        }
    }
}
