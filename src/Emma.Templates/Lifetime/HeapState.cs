namespace Emma.Templates;

using ClrGC = global::System.GC;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrInvalidOperationException = global::System.InvalidOperationException;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

// Lifetime: how a heap comes to be and goes.
//
// Basic design
//   The root is a few kilobytes of a pinned array in a static (PinnedMemory): they have a constant address, need no mapping, outlive
//   Destroy and go with the load context. Everything else begins with the first allocation. Starting maps the code page and nothing else;
//   it holds no lock, may be done by many threads at once, and may fail and be tried again. The first window and segment are mapped when
//   the first block needs them. Destroy unmaps all block memory and resets the root; the code page stays, because compiled code and other
//   threads may still be about to use it. When the collectible load context of the assembly is collected, UnloadSentinel unmaps everything,
//   the code page last.
//
// Invariants
//   * The state goes from NotStarted to Running once, and from Running to Unloaded once.
//   * No lock is taken, and the kernel is not called, before the state is Running.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The heap as a whole: its start and its end.
        internal struct HeapState
        {
            private const int NotStarted = 0;
            private const int Running = 1;
            private const int Unloaded = 2;

            // Held by the trimming after collections and by Destroy, so that neither meets the other.
            internal Lock Trimming;

            // How often Clear was called: what was lent out before is gone.
            internal int Era;

            internal int Word;

            private static UnloadSentinel? s_sentinel;
            private static object? s_assembly;

            internal static bool IsRunning
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrVolatile.Read(ref *StateWord) == Running;
            }

            internal static bool IsUnloaded => ClrVolatile.Read(ref *StateWord) == Unloaded;

            // Starts the heap unless it runs. Must come before any lock.
            // Throws PlatformNotSupportedException: The heap cannot run here.
            // Throws InvalidOperationException: The heap's load context has been collected.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void EnsureRunning()
            {
                if (!IsRunning)
                    Start();
            }

            // Unmaps all blocks and everything that describes them. No other thread uses the heap meanwhile.
            internal static void Clear()
            {
                ClrVolatile.Write(ref State->Era, unchecked(State->Era + 1));
                Loaned->Reset();
                State->Trimming.Acquire();
                // Forgotten before it is unmapped: if the thread dies in between, memory is lost, and nobody reads what is gone.
                Small->Reset();
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    Bin.Of(sizeClass)->Reset();
                Segments->Reset();
                Large->Reset();
                Space->UnmapAll();
                State->Trimming.Release();
            }

            // A number that changes, in all likelihood, when anything is allocated or freed. Takes no lock: a dead thread may hold one.
            internal static ulong Fingerprint()
            {
                ulong fingerprint = Space->Mapped;
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                    fingerprint = unchecked(fingerprint * 31 + (ulong)Bin.Of(sizeClass)->Live);
                ulong large = unchecked((ulong)Large->EverAllocated + Large->Bytes);
                return unchecked((fingerprint * 31 + large) * 31 + Small->Fingerprint());
            }

            // Ends the heap for good, the code page last. Only finalizers still run.
            internal static void Unload()
            {
                if (ClrInterlocked.Exchange(ref *StateWord, Unloaded) == Running)
                    Clear();
                Small->Unload();
                KernelEntry.Release();
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static void Start()
            {
                if (IsUnloaded)
                {
                    throw new ClrInvalidOperationException(
                        $"{HeapName}: the load context of this heap has been collected, and its memory with it.");
                }

                Compilation.LoadBaseLibrary();
                // The assembly's own name has a culture, for which a program compiled to native code would load the library of cultures.
                Window.SetLabel($"{HeapName} of {typeof(Root).Module.ScopeName.Replace(".dll", "")}");
                // Before there is anything for it to unmap, so that a start that fails half-way leaves nothing behind either.
                if (IsCollectible)
                    KeepSentinel();
                Compilation.Prepare(CompilationGroups.AtStart);
                KernelEntry.EnsureCreated(SmallBlocks.MachineCode());
                StartHardening();
                Small->Start(KernelEntry.CodeBehind);
                if (ClrInterlocked.CompareExchange(ref *StateWord, Running, NotStarted) == NotStarted)
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
