namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks of no bytes: addresses of an inaccessible area, handed out in turn. Where it cannot be had, or all are in use, such a
        // block is a small one. A page behind the area has their marks.
        internal struct EmptyBlocks
        {
            private const nuint AreaBytes = Segment.PageSize;
            private const int Capacity = (int)(AreaBytes / SizeClasses.Granularity);

            // So many addresses are looked at for one that is free: a bounded time where nearly all are in use.
            private const int MaxLooks = 64;

            private static nuint MappedAreaBytes
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => AreaBytes + AlignUp(AreaBytes / SizeClasses.Granularity, Heap->KernelPage);
            }

            private Lock _lock;
            private ulong _area;
            private int _next;

            // Counted before a block is handed out and after it is back: what a thread leaves that dies in between is an address that is
            // not used again before Destroy.
            private int _live;

            internal readonly int Live => ClrVolatile.Read(in _live);

            internal readonly nuint MappedBytes => ClrVolatile.Read(in _area) == 0 ? 0 : MappedAreaBytes;

            internal readonly bool Contains(nuint address)
            {
                nuint area = (nuint)ClrVolatile.Read(in _area);
                return area != 0 && unchecked(address - area) < AreaBytes;
            }

            // Hands out a block; 0: there is none left.
            internal nuint Allocate()
            {
                nuint block = 0;
                if (ClrVolatile.Read(ref _live) == Capacity)
                    return 0;

                _lock.Acquire();
                if (_area == 0)
                    Map();
                for (int i = 0; _area != 0 && block == 0 && i < MaxLooks; i++)
                {
                    nuint candidate = (nuint)_area + (nuint)_next * SizeClasses.Granularity;
                    _next = (_next + 1) % Capacity;
                    byte* mark = MarkOf(candidate);
                    if (ClrVolatile.Read(ref *mark) != 0)
                        continue;
                    ClrInterlocked.Increment(ref _live);
                    ClrVolatile.Write(ref *mark, LiveMarks.Live);
                    block = candidate;
                }

                _lock.Release();
                return block;
            }

            internal readonly bool IsLive(nuint address) =>
                Contains(address) && address % SizeClasses.Granularity == 0 && ClrVolatile.Read(ref *MarkOf(address)) == LiveMarks.Live;

            // Takes a block back. False: no live one has this address.
            internal bool TryFree(nuint address)
            {
                if (!Contains(address) || address % SizeClasses.Granularity != 0 || !LiveMarks.TryOwn(MarkOf(address)))
                    return false;

                ClrVolatile.Write(ref *MarkOf(address), 0);
                ClrInterlocked.Decrement(ref _live);
                return true;
            }

            // Forgets every block: the mapping is about to go.
            internal void Reset()
            {
                ClrVolatile.Write(ref _area, 0);
                ClrVolatile.Write(ref _live, 0);
                _next = 0;
            }

            private readonly byte* MarkOf(nuint block)
            {
                nuint area = (nuint)ClrVolatile.Read(in _area);
                return (byte*)area + AreaBytes + (block - area) / SizeClasses.Granularity;
            }

            private void Map()
            {
                ref AddressSpace space = ref *Space;
                nuint area = space.Map(MappedAreaBytes, Window.SlotSize, SlotKind.Busy);
                if (area == 0)
                    return;

                Guards.TryClose(area, AreaBytes);
                PageMap.Set(area, AreaBytes, PageMap.LargeTail, PageMap.LargeTail);
                space.Publish(area, MappedAreaBytes, SlotKind.Large);
                ClrVolatile.Write(ref _area, area);
            }
        }
    }
}
