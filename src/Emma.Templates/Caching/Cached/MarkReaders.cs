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
        //   reader:   say of which block; read the class of the page; if it has one, read the mark; say that of none
        //   unmapper: take the classes away; fence every thread; if nobody reads of a block of the segment, unmap
        // A reader says so by a plain store to its cache, which costs next to nothing. It may become visible only after the reader has read
        // the class, so the unmapper has every processor pass a barrier: whoever is not seen to read afterwards will see that there is no
        // class ("asymmetric Dekker synchronization", Dice, Huang and Yang, 2001). Whoever frees a live block reads of a segment that holds
        // something, so only a mistake is ever in the way. It is not waited for; the segment is unmapped another time.
        // Threads without a cache count themselves, in one of two places by turns: whoever came before the turn has left when its place is
        // empty, however many come after it (McKenney's sleepable RCU does so).
        // Invariant: a reader takes no lock and calls nothing that may.
        internal struct MarkReaders
        {
            // So many times a reader is looked at again; each has done with some ten instructions, unless it does not run right now.
            private const int Glances = 4;

            private const int SpinsPerGlance = 50;

            // Readers that have no cache, by turns. One that dies meanwhile is counted until Destroy.
            private int _uncachedOfEven;
            private int _uncachedOfOdd;

            private int _turn;

            // Says that the calling thread begins to read of a block.
            // Returns: what it is to leave with.
            internal static MarkReader Enter(nuint block)
            {
                MarkReader reader = default;
                reader.Cache = SmallBlocks.CurrentCache;
                if (reader.Cache != null)
                {
                    ThreadCache.BeginReading(reader.Cache, block);
                    return reader;
                }

                reader.Turn = ClrVolatile.Read(ref Small->Readers._turn);
                ClrInterlocked.Increment(ref UncachedOf(reader.Turn));
                return reader;
            }

            internal static void Leave(MarkReader reader)
            {
                if (reader.Cache != null)
                    ThreadCache.EndReading(reader.Cache);
                else
                    ClrInterlocked.Decrement(ref UncachedOf(reader.Turn));
            }

            // Takes the mark off a live block. False: none begins at the address.
            internal static bool TryClear(nuint block)
            {
                MarkReader reader = Enter(block);
                bool live = HasMarks(block) && LiveMarks.TryClear(block);
                Leave(reader);
                return live;
            }

            internal static bool IsSet(nuint block)
            {
                MarkReader reader = Enter(block);
                bool live = HasMarks(block) && LiveMarks.IsSet(block);
                Leave(reader);
                return live;
            }

            // Whether anybody reads of a block in a segment that was taken out of use before. The caller holds the lock of giving back, or
            // is alone.
            internal static bool Remain(nuint segment)
            {
                ClrInterlocked.MemoryBarrierProcessWide();
                return RemainUncached() || RemainUncached() || RemainCached(segment);
            }

            internal void Reset()
            {
                ClrVolatile.Write(ref _uncachedOfEven, 0);
                ClrVolatile.Write(ref _uncachedOfOdd, 0);
            }

            private static bool RemainCached(nuint segment)
            {
                int glances = Glances;
                while (Small->Caches.IsAnyReading(segment) && --glances > 0)
                    ClrThread.SpinWait(SpinsPerGlance);
                return glances == 0;
            }

            // Ends a turn. Whether anybody who came before its end is reading still.
            private static bool RemainUncached()
            {
                int turn = ClrInterlocked.Increment(ref Small->Readers._turn) - 1;
                int glances = Glances;
                while (ClrVolatile.Read(ref UncachedOf(turn)) != 0 && --glances > 0)
                    ClrThread.SpinWait(SpinsPerGlance);
                return glances == 0;
            }

            private static ref int UncachedOf(int turn)
            {
                ref MarkReaders readers = ref Small->Readers;
                if ((turn & 1) != 0)
                    return ref readers._uncachedOfOdd;
                return ref readers._uncachedOfEven;
            }

            // Whether an address lies in a page of a segment that is in use. The caller has said that it reads.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static bool HasMarks(nuint address) => PageMap.ClassOf(address) is > PageMap.None and < PageMap.Large;
        }

        // One who reads: the thread's cache, or, where it has none, the turn in which it began.
        internal struct MarkReader
        {
            internal ThreadCache* Cache;
            internal int Turn;
        }
    }
}
