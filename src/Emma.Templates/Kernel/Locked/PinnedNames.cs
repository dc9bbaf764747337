namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Locked: without caches a thread has nothing in the heap but its name. A thread's id may be another's here as soon as nobody has a
        // handle of the thread, and the lock that it died with would be taken for the other's. So whoever is given a name leaves a handle
        // of its own beside it. It is closed by a thread that is given a name later, finds the other dead, and its name in no lock.
        internal static partial class WindowsKernel
        {
            private const int PageOfNames = 4096;
            private const int BytesOfName = 2 * sizeof(long);

            // Behind the address of the next page, which takes a name's place.
            private const int NamesInPage = PageOfNames / BytesOfName - 1;

            // How many names a thread looks at, from where the thread before it ended, before it takes a place that nobody has had: a
            // bounded time, and one place in eight or so is a dead thread's where threads come and go.
            private const int Looks = 8;

            private struct PinnedName
            {
                // Never 0 again once it has been set. A place whose thread died before that is lost.
                internal long Name;
                internal nint Pin;
            }

            // Holds the calling thread's id. Where a handle or a place is refused, nothing does; nor that of a thread that cannot keep its
            // name and asks for it in each call.
            internal static void PinName(long name)
            {
                if (unchecked((int)(name >> CurrentThread.IdBits)) == CurrentThread.UnkeptNumber)
                    return;
                if (Open(CurrentThread.IdIn(name), out nint pin) < 0 || TryReplaceName(name, pin))
                    return;

                PinnedName* place = PlaceOf(ClrInterlocked.Increment(ref Heap->Windows.NamePlaces) - 1);
                if (place == null)
                {
                    Call(Heap->Windows.Close, pin);
                    return;
                }

                ClrVolatile.Write(ref place->Pin, pin);
                ClrVolatile.Write(ref place->Name, name);
            }

            // Lets go of all ids. No thread takes a lock afterwards.
            internal static void UnpinNames()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nint page = ClrInterlocked.Exchange(ref Heap->Windows.Names, 0);
                while (page != 0)
                {
                    PinnedName* names = (PinnedName*)page;
                    for (int i = 1; i <= NamesInPage; i++)
                        Unpin(ref names[i].Pin);
                    nint next = *(nint*)page;
                    TryUnmapPiece((nuint)page);
                    page = next;
                }
            }

            // A place is one thread's at a time, until that has died: names are not given twice.
            private static bool TryReplaceName(long name, nint pin)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                int places = ClrVolatile.Read(ref Heap->Windows.NamePlaces);
                uint hand = unchecked((uint)(ClrInterlocked.Add(ref Heap->Windows.NameHand, Looks) - Looks));
                for (uint i = 0; i < Looks && i < (uint)places; i++)
                {
                    PinnedName* place = PlaceOf((int)(unchecked(hand + i) % (uint)places));
                    long other = place == null ? 0 : ClrVolatile.Read(ref place->Name);
                    if (other == 0 || !IsDead(CurrentThread.IdIn(other)) || IsInLock(other)
                        || ClrInterlocked.CompareExchange(ref place->Name, name, other) != other)
                    {
                        continue;
                    }

                    // If this thread dies before, its own id is not held, and the other's still is.
                    nint before = ClrInterlocked.Exchange(ref place->Pin, pin);
                    if (before != 0)
                        Call(Heap->Windows.Close, before);
                    return true;
                }

                return false;
            }

            // A name that lies anywhere in the root is a lock's owner: all locks lie there, and nobody else has that number.
            private static bool IsInLock(long name)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                for (long* at = (long*)Heap; at < (long*)(Heap + 1); at++)
                {
                    if (ClrVolatile.Read(ref *at) == name)
                        return true;
                }

                return false;
            }

            // Returns: null where there is no memory.
            private static PinnedName* PlaceOf(int index)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                ref nint link = ref Heap->Windows.Names;
                while (true)
                {
                    nint page = ClrVolatile.Read(ref link);
                    if (page == 0)
                        page = AddPage(ref link);
                    if (page == 0)
                        return null;
                    if (index < NamesInPage)
                        return (PinnedName*)page + 1 + index;

                    index -= NamesInPage;
                    link = ref *(nint*)page;
                }
            }

            private static nint AddPage(ref nint link)
            {
                nuint page = 0;
                if (AllocateSomewhere(&page, PageOfNames, Reserve | Commit) < 0)
                    return 0;

                nint first = ClrInterlocked.CompareExchange(ref link, (nint)page, 0);
                if (first == 0)
                    return (nint)page;

                TryUnmapPiece(page);
                return first;
            }
        }
    }
}
