namespace Emma.Templates;

using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks of no bytes: addresses of an inaccessible mapping, handed out in turn. Where it cannot be had, or all are in use, such a
        // block is a small one.
        internal struct EmptyBlocks
        {
            private const nuint AreaBytes = Segment.PageSize;
            private const int Capacity = (int)(AreaBytes / SizeClasses.Granularity);

            private Lock _lock;
            private ulong _area;
            private int _next;

            internal readonly nuint MappedBytes => ClrVolatile.Read(in _area) == 0 ? 0 : AreaBytes;

            internal readonly bool Contains(nuint address)
            {
                nuint area = (nuint)ClrVolatile.Read(in _area);
                return area != 0 && unchecked(address - area) < AreaBytes;
            }

            // Hands out a block; 0: there is none left.
            internal nuint Allocate()
            {
                nuint block = 0;
                _lock.Acquire();
                if (_area == 0)
                    Map();
                for (int i = 0; _area != 0 && block == 0 && i < Capacity; i++)
                {
                    nuint candidate = (nuint)_area + (nuint)_next * SizeClasses.Granularity;
                    _next = (_next + 1) % Capacity;
                    byte* mark = LiveMarks.Of(candidate);
                    if (ClrVolatile.Read(ref *mark) != 0)
                        continue;
                    ClrVolatile.Write(ref *mark, LiveMarks.Live);
                    block = candidate;
                }

                _lock.Release();
                return block;
            }

            // Takes a block back. False: no live one has this address.
            internal readonly bool TryFree(nuint address)
            {
                if (!Contains(address) || !LiveMarks.TryOwn(LiveMarks.Of(address), address))
                    return false;

                ClrVolatile.Write(ref *LiveMarks.Of(address), 0);
                return true;
            }

            // Forgets every block: the mapping is about to go.
            internal void Reset()
            {
                ClrVolatile.Write(ref _area, 0);
                _next = 0;
            }

            private void Map()
            {
                ref AddressSpace space = ref Heap->Space;
                nuint area = space.Map(AreaBytes, Window.SlotSize, SlotKind.Busy);
                if (area == 0)
                    return;

                Guards.TryClose(area, AreaBytes);
                PageMap.Set(area, AreaBytes, PageMap.LargeTail, PageMap.LargeTail);
                space.Publish(area, AreaBytes, SlotKind.Large);
                ClrVolatile.Write(ref _area, area);
            }
        }
    }
}
