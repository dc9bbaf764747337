namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The memory of the magazines: mappings that each fill a slot of the window little by little. It may be discarded, but is not
        // unmapped and serves nothing else before Destroy, because a thread that was overtaken while it popped a stack still reads a
        // magazine it did not get.
        // Invariant: of the carved magazines, those that no cache and no depot holds are on the stack of unused ones.
        internal struct MagazineStore
        {
            // How much more is mapped when none is left: enough for two magazines of each of 32 classes.
            internal const nuint GrowBytes = 64 * 1024;

            private const int MagazinesPerArea = (int)(Window.SlotSize / Magazine.Bytes);

            // The most magazines there are: 131072, which is two for each class and each of 860 threads.
            private const int MaxAreas = 32;

            private Lock _lock;
            private MagazineStack _unused;
            private fixed ulong _areas[MaxAreas];

            // Magazines that memory is mapped for, and those of them that have been handed out since they were last discarded.
            private int _mapped;
            private int _carved;

            internal readonly nuint MappedBytes => (nuint)ClrVolatile.Read(in _mapped) * Magazine.Bytes;

            // Hands out an empty magazine; null if the limit or the kernel refuses.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal Magazine* Take(int capacity)
            {
                Magazine* magazine = _unused.TryPop();
                if (magazine == null)
                    magazine = Carve();
                if (magazine != null)
                    Magazine.Prepare(magazine, capacity);
                return magazine;
            }

            // Takes back a magazine, whose slots hold nothing of worth.
            internal void Give(Magazine* magazine) => _unused.Push(magazine);

            // Discards all magazines if none is in use.
            // Returns: bytes discarded.
            internal nuint DiscardIfUnused()
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                // Or those who want one meanwhile would carve more.
                if (_unused.Depth < ClrVolatile.Read(ref _carved))
                    return 0;

                nuint discarded = 0;
                Enter();
                Magazine* all = _unused.TakeAll();
                if (_carved != 0 && Magazine.DepthOf(all) == _carved)
                {
                    for (int area = 0; area * MagazinesPerArea < _carved; area++)
                    {
                        nuint length = (nuint)(_mapped - area * MagazinesPerArea) * Magazine.Bytes;
                        if (length > Window.SlotSize)
                            length = Window.SlotSize;
                        // Where the kernel refuses, the old bytes stay and do no harm.
                        if (VirtualMemory.TryDiscard((nuint)_areas[area], length))
                            discarded += length;
                    }

                    ClrVolatile.Write(ref _carved, 0);
                }
                else
                {
                    while (all != null)
                    {
                        Magazine* next = Magazine.NextOf(all);
                        _unused.Push(all);
                        all = next;
                    }
                }

                _lock.Release();
                return discarded;
            }

            // Forgets every magazine: their memory is about to go.
            internal void Reset()
            {
                _unused.TakeAll();
                ClrVolatile.Write(ref _mapped, 0);
                _carved = 0;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private void Enter()
            {
                if (_lock.AcquireInlined())
                    Recover();
            }

            // After a thread died while it grew the store: what it mapped and did not count is counted now. Lost are magazines that it had
            // in hand, at most all unused ones.
            private void Recover()
            {
                int area = _mapped / MagazinesPerArea;
                if (_mapped % MagazinesPerArea == 0)
                    return;

                int inLastArea = (int)(Space->LengthAt((nuint)_areas[area]) / Magazine.Bytes);
                ClrVolatile.Write(ref _mapped, area * MagazinesPerArea + inLastArea);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private Magazine* Carve()
            {
                Enter();
                // Whoever held the lock may have had them all in hand.
                Magazine* magazine = _unused.TryPop();
                if (magazine == null && (_carved < _mapped || TryGrow()))
                {
                    magazine = (Magazine*)(_areas[_carved / MagazinesPerArea] + (ulong)(_carved % MagazinesPerArea) * Magazine.Bytes);
                    ClrVolatile.Write(ref _carved, _carved + 1);
                }

                _lock.Release();
                return magazine;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private bool TryGrow()
            {
                ref AddressSpace space = ref *Space;
                int area = _mapped / MagazinesPerArea;
                nuint used = (nuint)(_mapped % MagazinesPerArea) * Magazine.Bytes;
                if (area == MaxAreas)
                    return false;

                if (used == 0)
                {
                    nuint address = space.Map(GrowBytes, Window.SlotSize, SlotKind.Magazines);
                    if (address == 0)
                        return false;
                    _areas[area] = address;
                }
                else if (!space.TryExtend((nuint)_areas[area], used, used + GrowBytes, SlotKind.Magazines))
                {
                    return false;
                }

                ClrVolatile.Write(ref _mapped, _mapped + (int)GrowBytes / Magazine.Bytes);
                return true;
            }
        }
    }
}
