namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrThread = global::System.Threading.Thread;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Who is reading marks of blocks that may not be live, as whoever frees a block twice does: a segment that holds nothing, and its
        // marks, must not be unmapped under a reader.
        //   reader:   say so; read the class of the page; if it has one, read the mark; say so no more
        //   unmapper: take the classes away; fence every thread; if nobody says that they read, unmap
        // A reader says so by a plain store to its cache, which costs next to nothing. It may become visible only after the reader has read
        // the class, so the unmapper has every processor pass a barrier: whoever is not seen to read afterwards will see that there is no
        // class ("asymmetric Dekker synchronization", Dice, Huang and Yang, 2001). What is being read is not waited for long; it is
        // unmapped another time.
        // Invariant: a reader takes no lock and calls nothing that may.
        internal struct MarkReaders
        {
            // So many times a reader is looked at again; each has done with some ten instructions, unless it does not run right now.
            private const int Glances = 4;

            private const int SpinsPerGlance = 50;

            // Readers that have no cache. One that dies meanwhile is counted until Destroy.
            private int _uncached;

            // Says that the calling thread begins to read.
            // Returns: its cache, or null, for Leave.
            internal static ThreadCache* Enter()
            {
                ThreadCache* cache = SmallBlocks.CurrentCache;
                if (cache == null)
                    ClrInterlocked.Increment(ref Heap->Small.Readers._uncached);
                else
                    ThreadCache.BeginReading(cache);
                return cache;
            }

            internal static void Leave(ThreadCache* cache)
            {
                if (cache == null)
                    ClrInterlocked.Decrement(ref Heap->Small.Readers._uncached);
                else
                    ThreadCache.EndReading(cache);
            }

            // Takes the mark off a live block. False: none begins at the address.
            internal static bool TryClear(nuint block)
            {
                ThreadCache* reader = Enter();
                bool live = HasMarks(block) && LiveMarks.TryClear(block);
                Leave(reader);
                return live;
            }

            internal static bool IsSet(nuint block)
            {
                ThreadCache* reader = Enter();
                bool live = HasMarks(block) && LiveMarks.IsSet(block);
                Leave(reader);
                return live;
            }

            // Whether anybody reads marks that were taken out of use before; about nobody's own.
            internal static bool Remain()
            {
                ClrInterlocked.MemoryBarrierProcessWide();
                for (int glance = 0; glance < Glances; glance++)
                {
                    if (ClrVolatile.Read(ref Heap->Small.Readers._uncached) == 0 && !Heap->Small.Caches.IsAnyReading())
                        return false;
                    ClrThread.SpinWait(SpinsPerGlance);
                }

                return true;
            }

            internal void Reset() => ClrVolatile.Write(ref _uncached, 0);

            // Whether an address lies in a page of a segment that is in use. The caller has said that it reads.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool HasMarks(nuint address) => PageMap.ClassOf(address) is > PageMap.None and < PageMap.Large;
        }
    }
}
