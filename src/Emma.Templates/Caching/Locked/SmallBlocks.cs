namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

// Locked: what stands between the API and the slabs in a heap without thread caches: nothing. Every allocation and every free takes its
// bin's lock. The members are those of the form with thread caches.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Blocks of up to 32 KiB, as the API sees them: this form takes each from the slabs, under the lock of its class.
        internal struct SmallBlocks
        {
            // The fast half of an allocation: there is none.
            internal static void* TryTake(nuint size) => null;

            // The fast half of a free: there is none.
            internal static bool TryGive(ref void* block) => false;

            // Whether caches are found by machine code: there are none.
            internal static bool HasMachineCode => false;

            // Whether a thread reads marks: there are none.
            internal static bool AreMarksRead(nuint segment) => segment == 0;

            // The machine code that the layer wants beside the trampoline: none.
            internal static byte[] MachineCode() => [];

            internal static void RunClassConstructors()
            {
            }

            internal static void Initialize(SmallBlocks* small)
            {
            }

            internal readonly void Start(nint code)
            {
                Assert(code == 0);
                CurrentThread.EnsureKey();
            }

            // Allocates a block, or returns 0 if no memory is to be had.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly nuint Allocate(int sizeClass) => Bin.Of(sizeClass)->Allocate();

            internal readonly nuint AllocateUncached(int sizeClass) => Bin.Of(sizeClass)->Allocate();

            // Allocates a block of those that are free already; 0: none is.
            internal readonly nuint AllocateFree(int sizeClass) => Bin.Of(sizeClass)->Allocate(mayAdd: false);

            // Frees a block of a class; an address that is none, or that is free, changes nothing.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal readonly PointerCheck Free(nuint address, int sizeClass) => Bin.Of(sizeClass)->Free(address);

            // Whether a live block begins at an address in a page of a class.
            internal readonly PointerCheck Examine(nuint address, int sizeClass) => Bin.Of(sizeClass)->Examine(address);

            // A page run that was kept: none is.
            internal readonly nuint TakeKept(int pageClass) => 0;

            // Frees a page run. False: none begins there.
            internal readonly bool FreeRun(nuint address, int pageClass) => Segments->FreeRun(address);

            // Whether a run whose page has its class is a live block.
            internal static bool IsLiveRun(nuint address) => true;

            // Before a segment is mapped for a page run: no dead thread has left anything.
            internal readonly void ReclaimBeforeMapping()
            {
            }

            internal readonly nuint Flush(int maxMagazines) => 0;

            internal readonly void ShedSurplus()
            {
            }

            internal readonly nuint TrimMagazines() => 0;

            // Adds what the layer keeps to a count: nothing.
            internal readonly void AddTo(ref HeapCount count) => Assert(count.ThreadCaches == 0);

            internal readonly ulong Fingerprint() => 0;

            internal readonly void Reset()
            {
            }

            internal readonly void Unload()
            {
                KernelThreads.UnpinNames();
                CurrentThread.ReleaseKey();
            }
        }
    }
}
