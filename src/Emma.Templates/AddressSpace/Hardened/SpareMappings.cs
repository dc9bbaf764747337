namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Mappings that a hardened heap keeps for the runtime. Each of its larger blocks is a mapping, of which a process has 65 530 as a
        // rule (vm.max_map_count), and when there are no more the runtime cannot even build the exception that says so: the process ends.
        // So the heap keeps a few, without access, and gives them up as soon as the kernel refuses it one because the table is full.
        // From then on it maps no more than it has unmapped since, or others would die of what it takes; until it can make the spare
        // mappings anew. It tries that now and then, because others may have made room, too, and when it has unmapped something that may
        // have been part of a larger mapping.
        // They are addresses only: they are not counted as mapped, and no limit of the heap's bounds them. No lock: they are made aside and
        // published by one compare-and-swap, and given up by one exchange. A thread that dies in between, or a fork, leaves addresses.
        internal struct SpareMappings
        {
            // Building a first exception takes two or three; compiling some code, a thread and a collection then, twenty.
            internal const int Count = 64;

            // Twice as many must be to be had when they are made: whoever takes up mapping again has room then, and does not take what was
            // left to the runtime.
            private const int Probed = 2 * Count;

            // How long nothing is tried after the mappings were given up, or could not be made anew: the exception is being built.
            private const long RestInMilliseconds = 100;

            private nint _area;

            // When the mappings were given up, or could not be made anew; 0: neither has happened.
            private long _since;

            // How many mappings the heap has unmapped since, less those it has made.
            private long _unmapped;

            // Whether the heap holds its mappings.
            internal readonly bool AreHeld => ClrVolatile.Read(in _area) != 0;

            // Whether the heap may make a mapping, which counts as made. To be asked before each.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool MayMap() => !VirtualMemory.CountsMappings || AreHeld || MayMapWithout();

            // To be called when the kernel has refused a mapping, whatever the reason.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal void NoteRefusal()
            {
                if (!AreHeld)
                    return;

                // Whether it refuses any mapping, however short; else the table is not full.
                nuint page = Heap->KernelPage;
                nint any = VirtualMemory.ReserveReadable(page);
                if (any > 0)
                    VirtualMemory.TryUnmap((nuint)any, page);
                else
                    GiveUp();
            }

            // To be called when the heap has unmapped a whole mapping of a length.
            internal void NoteUnmapped(nuint length)
            {
                if (AreHeld || ClrVolatile.Read(ref _since) == 0)
                    return;

                // What fills its slots may have become one mapping with its neighbours.
                if (length % Window.SlotSize != 0)
                    ClrInterlocked.Increment(ref _unmapped);
                else
                    ClrVolatile.Write(ref _since, 1);
            }

            // The heap's memory is about to go, and the mappings with it.
            internal void Reset()
            {
                ClrVolatile.Write(ref _since, 0);
                Unmap();
            }

            private void GiveUp()
            {
                // In this order: whoever sees that there are none sees that they have just been given up.
                ClrVolatile.Write(ref _unmapped, 0);
                ClrVolatile.Write(ref _since, KernelThreads.Milliseconds());
                Unmap();
            }

            private void Unmap()
            {
                nint area = ClrInterlocked.Exchange(ref _area, 0);
                if (area != 0)
                    VirtualMemory.TryUnmap((nuint)area, Count * Heap->KernelPage);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private bool MayMapWithout()
            {
                long since = ClrVolatile.Read(ref _since);
                // The first time whoever comes tries, and each time again; from then on one thread.
                if (since == 0)
                    return TryMake();

                long now = KernelThreads.Milliseconds();
                if (now - since >= RestInMilliseconds && ClrInterlocked.CompareExchange(ref _since, now, since) == since && TryMake())
                    return true;

                if (ClrInterlocked.Decrement(ref _unmapped) >= 0)
                    return true;

                ClrInterlocked.Increment(ref _unmapped);
                return AreHeld;
            }

            // Makes the mappings, all or none. Advice tells neighbours apart: mappings of equal kind become one. The runtime and libc give
            // it to no memory without access, so that the outermost do not become one with others' either, and unmapping all needs no
            // mapping more.
            private bool TryMake()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nuint page = Heap->KernelPage;
                nuint kept = Count * page;
                nuint probed = Probed * page;
                // Readable at first: next to memory without access, which the runtime reserves much of, it would become one with that, and
                // unmapping it would need a mapping more.
                nint area = VirtualMemory.ReserveReadable(probed);
                if (area <= 0)
                    return false;

                bool made = VirtualMemory.TryTellApart((nuint)area, probed, inAnotherWay: false);
                for (nuint at = page; made && at < probed; at += 2 * page)
                    made = VirtualMemory.TryTellApart((nuint)area + at, page, inAnotherWay: true);

                if (!made)
                {
                    VirtualMemory.TryUnmap((nuint)area, probed);
                    return false;
                }

                VirtualMemory.TryUnmap((nuint)area + kept, probed - kept);
                VirtualMemory.TryProtect((nuint)area, kept, accessible: false);
                if (ClrInterlocked.CompareExchange(ref _area, area, 0) != 0)
                    VirtualMemory.TryUnmap((nuint)area, kept);
                return true;
            }
        }
    }
}
