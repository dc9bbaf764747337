namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The full magazines of one class that no thread holds. As large as a cache line, so that classes do not slow each other down.
        [ClrStructLayout(ClrLayoutKind.Sequential, Size = Root.CacheLine)]
        internal struct Depot
        {
            // The most bytes of blocks that the depot of a class keeps: a thousand blocks of 512 bytes may be allocated and freed in turn
            // without the slabs. What exceeds it goes to slabs or segments. All depots together keep 38 MiB at most, and less where little
            // is in use (CacheSurplus).
            internal const int MaxBytes = 512 * 1024;

            // Threads that share a stack hand each other blocks, whose neighbours in a cache line the other still writes to. So there are a
            // few, each thread begins with one of them, and uses the others if that is empty or full: enough that a few busy threads seldom
            // share one.
            private const int Stacks = 4;

            private MagazineStack _first;
            private MagazineStack _second;
            private MagazineStack _third;
            private MagazineStack _fourth;
            private int _blockSize;
            private int _capacity;
            private int _maxMagazines;

            // Blocks of a full magazine.
            internal readonly int Capacity => _capacity;

            // Their bytes.
            internal readonly int MagazineBytes => _capacity * _blockSize;

            internal void Initialize(int sizeClass)
            {
                _blockSize = (int)SizeClasses.SizeOf(sizeClass);
                _capacity = Magazine.CapacityOf((nuint)_blockSize);
                _maxMagazines = MaxBytes / MagazineBytes;
            }

            // A full magazine, or null.
            // home: Any number: which stack the caller begins with.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal Magazine* TryTake(int home)
            {
                Magazine* magazine = null;
                for (int i = 0; i < Stacks && magazine == null; i++)
                    magazine = StackAt(home + i)->TryPop();
                return magazine;
            }

            // Takes a full magazine in. False: it keeps as many as it may.
            // magazine: The magazine.
            // home: Any number: which stack the caller begins with.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool TryGive(Magazine* magazine, int home)
            {
                for (int i = 0; i < Stacks; i++)
                {
                    MagazineStack* stack = StackAt(home + i);
                    if (stack->Depth < MaxDepthOf(home + i))
                    {
                        stack->Push(magazine);
                        return true;
                    }
                }

                return false;
            }

            // Gives slabs or segments the blocks of some magazines. The caller holds the lock of giving back.
            // sizeClass: The depot's class.
            // maxMagazines: How many magazines at most; how many more afterwards.
            // Returns: bytes unmapped.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal nuint Flush(int sizeClass, ref int maxMagazines)
            {
                nuint unmapped = 0;
                for (; maxMagazines > 0; maxMagazines--)
                {
                    Magazine* magazine = TryTake(0);
                    if (magazine == null)
                        break;

                    Small->CountDeposits(-MagazineBytes);
                    unmapped += SmallBlocks.FreeMany(sizeClass, Magazine.Slots(magazine), _capacity, givingIsHeld: true);
                    Small->Magazines.Give(magazine);
                }

                return unmapped;
            }

            internal ulong Fingerprint
            {
                get
                {
                    ulong fingerprint = 0;
                    for (int i = 0; i < Stacks; i++)
                        fingerprint = unchecked(fingerprint * 31 + (ulong)StackAt(i)->Fingerprint);
                    return fingerprint;
                }
            }

            // How many blocks it keeps; about, if others change it meanwhile.
            internal long CachedBlocks
            {
                get
                {
                    int magazines = 0;
                    for (int i = 0; i < Stacks; i++)
                        magazines += StackAt(i)->Depth;
                    return (long)magazines * _capacity;
                }
            }

            internal long CachedBytes => CachedBlocks * _blockSize;

            // Forgets the magazines: their memory is about to go.
            internal void Reset()
            {
                for (int i = 0; i < Stacks; i++)
                    StackAt(i)->TakeAll();
            }

            private readonly int MaxDepthOf(int stack) => (_maxMagazines + (stack & (Stacks - 1))) / Stacks;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private MagazineStack* StackAt(int stack)
            {
                // The depot does not move.
                return (MagazineStack*)ClrUnsafe.AsPointer(ref _first) + (stack & (Stacks - 1));
            }
        }
    }
}
