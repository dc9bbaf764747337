namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrStackTraceHidden = global::System.Diagnostics.StackTraceHiddenAttribute;

// A heap, from the bottom up. Each folder is a layer, and knows those before it only; a test counts the exceptions.
//
//   Policy        sizes, and what follows from the heap's options; no state
//   Kernel        system calls, locks, memory that does not move; what has the heap's code compiled
//   AddressSpace  windows of addresses, their slots and page map; every byte mapped is counted here
//   Segments      runs of 64 KiB pages of 4 MiB segments, and large blocks with mappings of their own
//   Slabs         blocks of up to 32 KiB: a bin for each size class
//   Caching       free blocks that each thread keeps, and depots of full magazines; or nothing of the kind
//   Lifetime      start, Destroy, unloading, and giving back what is free
//   Blocks        from a size to a block and back: what the API calls
//   Api           what a user sees
//   Managed       the same as .NET's types of memory, and arenas
//
// A folder named after a form within a layer (Cached or Locked, Plain or Hardened) holds what only heaps of that form have; the other
// form's folder declares the same members.
static unsafe partial class EmmaHeap
{
    // Hidden from stack traces: that of a refusal begins with the method that was called.
    [ClrStackTraceHidden]
    static partial class HeapInternals
    {
        // The heap. All that changes of it lies there, or is an object: CoreCLR shares statics that are values with forked children. Its
        // memory outlives Destroy and goes with the load context. The address is a constant to code compiled once this is set, which the
        // module initializer sees to.
        internal static readonly Root* Heap = Root.Create();

        // Its parts, and the words that nearly every call looks at. The JIT has a pointer read before the address of a field behind it is
        // taken, in thirteen bytes each time, even if the pointer is a constant; these are constants themselves.
        internal static readonly AddressSpace* Space = &Heap->Space;
        internal static readonly LargeBlocks* Large = &Heap->Large;
        internal static readonly SegmentManager* Segments = &Heap->Segments;
        internal static readonly Loans* Loaned = &Heap->Loaned;
        internal static readonly BinTable* Bins = &Heap->Bins;
        internal static readonly SmallBlocks* Small = &Heap->Small;
        internal static readonly HeapState* State = &Heap->State;
        internal static readonly ThreadNames* Names = &Heap->Names;
        internal static readonly SpareMappings* Spares = &Heap->Spares;
        internal static readonly Lock* Giving = &Heap->Space.Giving;
        internal static readonly int* StateWord = &Heap->State.Word;
        internal static readonly int* PreparedWord = &Heap->Prepared;
        internal static readonly long* LimitWord = &Heap->Limit;

        // Whether the heap's assembly can be unloaded. A constant to the compiler, as the heap's address is.
        internal static readonly bool IsCollectible = typeof(Root).IsCollectible;

        internal struct Root
        {
            // Bins and depots fill cache lines, so that they do not slow each other down.
            internal const int CacheLine = 64;

            internal AddressSpace Space;
            internal LargeBlocks Large;
            internal SegmentManager Segments;
            internal Loans Loaned;
            internal BinTable Bins;
            internal SmallBlocks Small;
            internal HeapState State;
            internal ThreadNames Names;

            // The bytes of a page of the kernel's: 4, 16 or 64 KiB. A static would be no constant where assemblies can be unloaded.
            internal nuint KernelPage;

            // An address that the kernel chose, of the stack: it says how many bits the kernel's addresses have.
            internal nuint KernelAddress;

            // Which groups of methods have been compiled (CompilationGroups).
            internal int Prepared;

            // The most bytes the heap may map; 0: no limit (Policy).
            internal long Limit;

            // How many allocations have failed.
            internal long Failures;

            // 1: function pointers were handed out, and C may hold them (CEntries).
            internal int CallbacksGiven;

            // Where the machine code lies that C calls (CEntryCode); 0: there is none.
            internal nint CodeForC;

            // In a hardened heap that has started: random numbers that canaries depend on, and the choice of blocks.
            internal ulong Cookie;
            internal ulong Chance;

            // In such a heap: the list of segments that are guarded by mappings.
            internal nint Guarded;

            internal SpareMappings Spares;

            // On Windows, and on macOS: how the kernel is reached.
            internal WindowsFunctions Windows;
            internal DarwinFunctions Darwin;

            internal static Root* Create()
            {
                Root* root = (Root*)PinnedMemory.Allocate((nuint)sizeof(Root), CacheLine);
                Assert((nuint)(&root->Bins) % CacheLine == 0 && (nuint)(&root->Small) % CacheLine == 0);
                root->KernelPage = (nuint)ClrEnvironment.SystemPageSize;
                root->KernelAddress = (nuint)(&root);
                // Other forms have these and never write them.
                root->Cookie = 0;
                root->Chance = 0;
                root->Guarded = 0;
                AddressSpace.Initialize(&root->Space, &SmallBlocks.AreMarksRead);
                root->Limit = DeclaredLimit;
                SegmentManager.Initialize(&root->Segments, &Bin.TryEvict);
                BinTable.Initialize(&root->Bins);
                SmallBlocks.Initialize(&root->Small);
                return root;
            }
        }
    }
}
