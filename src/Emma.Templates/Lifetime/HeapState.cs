namespace Emma.Templates;

using ClrEncoding = global::System.Text.Encoding;
using ClrGC = global::System.GC;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrInvalidOperationException = global::System.InvalidOperationException;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

// Lifetime: how a heap comes to be and goes.
//
// Basic design
//   The root is a few kilobytes of a pinned array in a static (PinnedMemory): they have a constant address, need no mapping, outlive Destroy
//   and go with the load context. Everything else begins with the first allocation.
//   Starting maps the code page and nothing else; it holds no lock, may be done by many threads at once, and may fail and be
//   tried again. The first window and segment are mapped when the first block needs them.
//   Destroy unmaps all block memory and resets the root; the code page stays, because compiled code and other threads may
//   still be about to use it. When the collectible load context of the assembly is collected, UnloadSentinel unmaps
//   everything, the code page last.
//
// Invariants
//   * The state goes from NotStarted to Running once, and from Running to Unloaded once.
//   * No lock is taken, and the kernel is not called, before the state is Running.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        /// <summary>The parts of a heap. One bin for each size class follows it in memory, and behind them what the layer above wants.</summary>
        internal struct Root
        {
            internal SmallBlocks Small;
            internal AddressSpace Space;

            /// <summary>
            /// Held from taking mappings out of use until they are unmapped and no longer counted, so that whoever finds no room can wait
            /// for what is being given back by taking it.
            /// </summary>
            internal Lock Giving;

            /// <summary>Held by the trimming after collections and by Destroy, so that neither meets the other.</summary>
            internal Lock Trimming;

            internal LargeBlocks Large;
            internal SegmentManager Segments;
            internal int State;

            /// <summary>A random number that canaries depend on, in a hardened heap that has started.</summary>
            internal ulong Cookie;

            /// <summary>One that the choice of blocks depends on.</summary>
            internal ulong Chance;
        }

        /// <summary>The heap as a whole: its root, its start and its end.</summary>
        internal static class HeapState
        {
            private const int NotStarted = 0;
            private const int Running = 1;
            private const int Unloaded = 2;

            private const nuint RootAlignment = 64;

            /// <summary>The root. A static of its own class: its initializer does not fail and waits for nothing.</summary>
            internal static readonly Root* Root = CreateRoot();

            private static byte[]? s_label;
            private static UnloadSentinel? s_sentinel;
            private static object? s_assembly;

            internal static bool IsRunning
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrVolatile.Read(ref Root->State) == Running;
            }

            internal static bool IsUnloaded => ClrVolatile.Read(ref Root->State) == Unloaded;

            internal static Bin* BinOf(int sizeClass) => (Bin*)((byte*)Root + RootBytes) + (sizeClass - 1);

            /// <summary>The memory behind the bins, of <see cref="SmallBlocks"/>.</summary>
            internal static byte* BehindBins => (byte*)BinOf(SizeClasses.Count + 1);

            private static nuint RootBytes => AddressSpace.AlignUp((nuint)sizeof(Root), RootAlignment);

            /// <summary>Starts the heap unless it runs. Must come before any lock.</summary>
            /// <exception cref="global::System.PlatformNotSupportedException">The heap cannot run here.</exception>
            /// <exception cref="global::System.InvalidOperationException">The heap's load context has been collected.</exception>
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void EnsureRunning()
            {
                if (!IsRunning)
                    Start();
            }

            /// <summary>Copies the heap's label, its name and its assembly's in UTF-8, and returns the bytes.</summary>
            internal static int CopyLabel(byte* target, int capacity)
            {
                byte[] label = s_label!;
                int length = label.Length < capacity ? label.Length : capacity;
                for (int i = 0; i < length; i++)
                    target[i] = label[i];
                return length;
            }

            /// <summary>Unmaps all blocks and everything that describes them. No other thread uses the heap meanwhile.</summary>
            internal static void Clear()
            {
                Root->Trimming.Acquire();
                // Forgotten before it is unmapped: if the thread dies in between, memory is lost, and nobody reads what is gone.
                Root->Small.Reset();
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    BinOf(sizeClass)->Reset();
                Root->Segments.Reset();
                Root->Large.Reset();
                Root->Space.UnmapAll();
                Root->Trimming.Release();
            }

            /// <summary>A number that changes, in all likelihood, when anything is allocated or freed. Takes no lock: a dead thread may hold one.</summary>
            internal static ulong Fingerprint()
            {
                ulong fingerprint = Root->Space.Mapped;
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    fingerprint = unchecked(fingerprint * 31 + (ulong)BinOf(sizeClass)->Live);
                return unchecked((fingerprint * 31 + (ulong)Root->Large.EverAllocated + Root->Large.Bytes) * 31 + Root->Small.Fingerprint());
            }

            /// <summary>Ends the heap for good, the code page last. Only finalizers still run.</summary>
            internal static void Unload()
            {
                if (ClrInterlocked.Exchange(ref Root->State, Unloaded) == Running)
                    Clear();
                Root->Small.Unload();
                KernelEntry.Release();
            }

            private static Root* CreateRoot()
            {
                nuint bytes = RootBytes + (nuint)SizeClasses.Count * (nuint)sizeof(Bin) + SmallBlocks.BytesBehindBins;
                byte* root = PinnedMemory.Allocate(bytes, RootAlignment);
                Bin* bins = (Bin*)(root + RootBytes);
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    bins[sizeClass - 1].Initialize(sizeClass);
                ((Root*)root)->Small.Initialize((byte*)(bins + SizeClasses.Count));
                return (Root*)root;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void Start()
            {
                if (IsUnloaded)
                {
                    throw new ClrInvalidOperationException(
                        $"{HeapName}: the load context of this heap has been collected, and its memory with it.");
                }

                BaseLibrary.Load();
                ClrVolatile.Write(ref s_label, ClrEncoding.UTF8.GetBytes($"{HeapName} of {typeof(Root).Assembly.GetName().Name}"));
                // Before there is anything for it to unmap, so that a start that fails half-way leaves nothing behind either.
                if (typeof(Root).IsCollectible)
                    KeepSentinel();
                Compilation.Prepare();
                KernelEntry.EnsureCreated(SmallBlocks.MachineCode());
                StartBlockMethods();
                Root->Small.Start(KernelEntry.CodeBehind);
                if (ClrInterlocked.CompareExchange(ref Root->State, Running, NotStarted) == NotStarted)
                    IdleTrim.Begin(s_assembly = new object());
            }

            private static void KeepSentinel()
            {
                UnloadSentinel sentinel = new UnloadSentinel();
                if (ClrInterlocked.CompareExchange(ref s_sentinel, sentinel, null) is not null)
                    ClrGC.SuppressFinalize(sentinel);
            }
        }
    }
}
