namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The page runs freed last, in front of the segments, so that a program that frees a buffer and asks for one of its length again
        // takes no lock. Only of lengths that threads do not keep, where they keep any (Policy.KeepsRuns).
        // Invariants: a slot holds a run's address and, in the bits of a page, its length; 0: none. Such a run has its descriptor, and its
        // pages are in use and dirty; its first page has no class, so that it is refused like any that is free. Whoever changes a slot
        // from a run to another value owns the run: one word is all that there is, so nothing is half done for a dead thread's heirs or a
        // forked child. What a thread had in hand when it died is lost until Destroy.
        internal partial struct SegmentManager
        {
            // Slots, by the last bits of a run's length.
            private const int FreedLast = 4;

            // Frees a page run that threads do not keep. The caller holds no lock.
            // Returns: false: no run begins there any more.
            internal bool FreeRun(nuint address)
            {
                if (!PageMap.TryClearRun(address))
                    return false;

                if (Policy.KeepsRuns)
                {
                    int pages = Segment.SpanAt(Segment.Of(address), Segment.PageOf(address))->PageCount;
                    address = RunIn(ClrInterlocked.Exchange(ref FreedLastOf(pages), address | (nuint)pages));
                }

                nuint unmapped = 0;
                if (address != 0)
                    TakeBack(address, givingIsHeld: false, ref unmapped);
                return true;
            }

            // One of the runs freed last, of this many pages; 0: none is. All of its pages may hold anything.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal nuint TakeFreedLast(int pages)
            {
                ref nuint slot = ref FreedLastOf(pages);
                nuint seen = ClrVolatile.Read(ref slot);
                if (PagesIn(seen) != pages || ClrInterlocked.CompareExchange(ref slot, 0, seen) != seen)
                    return 0;

                LiveMarks.SetIfChecked(RunIn(seen));
                PageMap.SetHead(RunIn(seen), PageMap.RunOf(pages));
                return RunIn(seen);
            }

            // Gives the segments the runs freed last.
            // givingIsHeld: Whether the caller holds the lock of giving back; else it holds none.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal nuint GiveBackFreedLast(bool givingIsHeld)
            {
                nuint unmapped = 0;
                for (int i = 0; i < FreedLast; i++)
                {
                    ref nuint slot = ref FreedLastOf(i);
                    nuint run = ClrVolatile.Read(ref slot) == 0 ? 0 : RunIn(ClrInterlocked.Exchange(ref slot, 0));
                    if (run != 0)
                        TakeBack(run, givingIsHeld, ref unmapped);
                }

                return unmapped;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void ForgetFreedLast()
            {
                for (int i = 0; i < FreedLast; i++)
                    ClrVolatile.Write(ref FreedLastOf(i), 0);
            }

            // They count as runs, but not with the heap.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void CountFreedLast(ref HeapCount count)
            {
                for (int i = 0; i < FreedLast; i++)
                {
                    nuint seen = ClrVolatile.Read(ref FreedLastOf(i));
                    if (seen == 0)
                        continue;

                    long bytes = (long)PagesIn(seen) << Segment.PageShift;
                    count.InUse -= bytes;
                    count.LiveBlocks--;
                    count.Cached += bytes;
                }
            }

            // The manager does not move.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private ref nuint FreedLastOf(int pages) =>
                ref ((nuint*)ClrUnsafe.AsPointer(ref _freedLast.First))[pages & (FreedLast - 1)];

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static nuint RunIn(nuint slot) => slot & ~(Segment.PageSize - 1);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static int PagesIn(nuint slot) => (int)(slot & (Segment.PageSize - 1));

            // So many words as an array. A buffer of the language's own costs an assembly 150 bytes more.
            [ClrStructLayout(ClrLayoutKind.Sequential, Size = FreedLast * sizeof(ulong))]
            private struct FreedRunTable
            {
                internal nuint First;
            }
        }
    }
}
