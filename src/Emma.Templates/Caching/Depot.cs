namespace Emma.Templates;

using ClrLayoutKind = global::System.Runtime.InteropServices.LayoutKind;
using ClrStructLayout = global::System.Runtime.InteropServices.StructLayoutAttribute;

static unsafe partial class EmmaHeap
{
    /// <summary>The full magazines of one class that no thread holds. As large as a cache line, so that classes do not slow each other down.</summary>
    [ClrStructLayout(ClrLayoutKind.Sequential, Size = 64)]
    private struct Depot
    {
        /// <summary>
        /// The most bytes of blocks that the depot of a class keeps: a thousand blocks of 512 bytes may be allocated and freed in turn
        /// without the slabs. What exceeds it goes to the slabs. All depots together keep 36 MiB at most.
        /// </summary>
        internal const int MaxBytes = 512 * 1024;

        private MagazineStack _full;
        private int _blockSize;
        private int _capacity;
        private int _maxDepth;

        /// <summary>Blocks of a full magazine.</summary>
        internal readonly int Capacity => _capacity;

        internal void Initialize(int sizeClass)
        {
            _blockSize = (int)SizeClasses.SizeOf(sizeClass);
            _capacity = Magazine.CapacityOf((nuint)_blockSize);
            _maxDepth = MaxBytes / (_capacity * _blockSize);
        }

        /// <summary>A full magazine, or null.</summary>
        internal Magazine* TryTake() => _full.TryPop();

        /// <summary>Takes a full magazine in. False: it keeps as many as it may.</summary>
        internal bool TryGive(Magazine* magazine)
        {
            if (_full.Depth >= _maxDepth)
                return false;

            _full.Push(magazine);
            return true;
        }

        internal readonly bool IsEmpty => _full.Depth == 0;

        /// <summary>Gives the slabs the blocks of some magazines. The caller holds the lock of giving back.</summary>
        /// <param name="sizeClass">The depot's class.</param>
        /// <param name="maxMagazines">How many magazines at most; how many more afterwards.</param>
        /// <returns>Bytes unmapped.</returns>
        internal nuint Flush(int sizeClass, ref int maxMagazines)
        {
            nuint unmapped = 0;
            for (; maxMagazines > 0; maxMagazines--)
            {
                Magazine* magazine = _full.TryPop();
                if (magazine == null)
                    break;

                unmapped += HeapState.BinOf(sizeClass)->FreeMany(Magazine.Slots(magazine), _capacity, givingIsHeld: true);
                HeapState.Root->Small.Magazines.Give(magazine);
            }

            return unmapped;
        }

        internal readonly ulong Fingerprint => unchecked((ulong)_full.Fingerprint);

        internal readonly nuint CachedBytes(int sizeClass)
        {
            Assert((nuint)_blockSize == SizeClasses.SizeOf(sizeClass));
            return (nuint)_full.Depth * (nuint)_capacity * (nuint)_blockSize;
        }

        /// <summary>Forgets the magazines: their memory is about to go.</summary>
        internal void Reset() => _full.TakeAll();
    }
}
