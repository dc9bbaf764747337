namespace Emma.Templates;

// Locked: what stands between the API and the slabs in a heap without thread caches: nothing. Every allocation and every free takes its bin's lock.
// The members are those of the form with thread caches.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>Blocks of up to 32 KiB, as the API sees them: this form takes each from the slabs, under the lock of its class.</summary>
        internal struct SmallBlocks
        {
            /// <summary>The fast half of an allocation: there is none.</summary>
            internal static void* TryTake(nuint size) => null;

            /// <summary>The fast half of a free: there is none.</summary>
            internal static bool TryGive(ref void* block) => false;

            /// <summary>The machine code that the layer wants beside the trampoline: none.</summary>
            internal static byte[] MachineCode() => [];

            internal static void Initialize(SmallBlocks* small)
            {
            }

            internal readonly void Start(nint code) => Assert(code == 0);

            /// <summary>Allocates a block, or returns 0 if no memory is to be had.</summary>
            internal readonly nuint Allocate(int sizeClass) => Bin.Of(sizeClass)->Allocate();

            internal readonly nuint AllocateUncached(int sizeClass) => Bin.Of(sizeClass)->Allocate();

            /// <summary>Frees a block of a class; an address that is none, or that is free, changes nothing.</summary>
            internal readonly PointerCheck Free(nuint address, int sizeClass) => Bin.Of(sizeClass)->Free(address);

            /// <summary>Whether a live block begins at an address in a page of a class.</summary>
            internal readonly PointerCheck Examine(nuint address, int sizeClass) => Bin.Of(sizeClass)->Examine(address);

            /// <summary>A page run that was kept: none is.</summary>
            internal readonly nuint TakeKept(int pageClass) => 0;

            /// <summary>Frees a page run. False: none begins there.</summary>
            internal readonly bool FreeRun(nuint address, int pageClass)
            {
                nuint unmapped = 0;
                return Heap->Segments.TryFreeRun(address, givingIsHeld: false, ref unmapped);
            }

            /// <summary>Whether a run whose page has its class is a live block.</summary>
            internal static bool IsLiveRun(nuint address) => true;

            /// <summary>Before a segment is mapped for a page run: no dead thread has left anything.</summary>
            internal readonly void ReclaimBeforeMapping()
            {
            }

            internal readonly nuint Flush(int maxMagazines) => 0;

            internal readonly nuint TrimMagazines() => 0;

            /// <summary>Adds what the layer keeps to a count.</summary>
            internal readonly void AddTo(ref HeapCount count)
            {
                count.Cached = 0;
                count.ThreadCaches = 0;
            }

            internal readonly ulong Fingerprint() => 0;

            internal readonly void Reset()
            {
            }

            internal readonly void Unload()
            {
            }
        }
    }
}
