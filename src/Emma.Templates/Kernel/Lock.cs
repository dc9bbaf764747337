namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrOperatingSystem = global::System.OperatingSystem;
using ClrThread = global::System.Threading.Thread;
using ClrThreadStatic = global::System.ThreadStaticAttribute;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // A lock in native memory: spins a little, then sleeps in the kernel. Not recursive. Whoever holds one throws nothing, allocates
        // nothing on the managed heap and loads no type of another assembly: handlers of such events run on this very thread and may call
        // the heap.
        // The owner word is 0 when free, else the owning thread's name, the lower half of which is its kernel id. Taking the lock is one
        // atomic operation; giving it back is a store and a load, which the processor may swap: then the owner misses a thread that is
        // about to sleep. So a thread that is about to sleep says so, has every processor pass a barrier, and looks again: either the owner
        // sees it, or it sees the lock free. It pays for the owner's barrier too, but only when it sleeps anyway (Dice, Huang and Yang,
        // "Asymmetric Dekker Synchronization", 2001).
        // That somebody sleeps is a flag, on which it sleeps, and which is lowered before one sleeper is woken. That one raises it again,
        // for those who sleep still. So a sleeper that dies leaves nothing behind but one call for nobody; a count would make the owners
        // call for it ever after.
        // A thread may die with the lock, or not exist in a process that was forked while it held it. Whoever has slept its time out, or
        // finds an owner of before a fork, asks the kernel for the owner, and takes a dead one's lock over; what the lock protects may then
        // be half changed. An owner word with the caller's own id is a dead predecessor's. A dead owner whose id a living thread has been
        // given since looks alive until that thread ends. Beside the id stands a number that each thread has to itself: without it, whoever
        // finds an owner dead could take the lock from another thread that was given the dead one's id in between (models/lock.pml).
        internal struct Lock
        {
            // Tries before sleeping: about as long as a slab takes to be made, far less than a sleep and a wake-up.
            private const int Spins = 40;

            private const int PausesPerSpin = 8;

            // Milliseconds of sleep after which the owner, if it is still the same, is asked for again.
            private const int PatienceInMilliseconds = 20;

            private const int Raised = 1;

            private const int Lowered = 0;

            private long _owner;
            private int _flag;

            // Returns: whether it was a dead thread's: what it protects must be mended first.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal bool Acquire() => AcquireInlined();

            // The same in the caller's code, fifty bytes: for locks that are taken in the course of many calls.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal bool AcquireInlined()
            {
                long self = CurrentThread.Name;
                return ClrInterlocked.CompareExchange(ref _owner, self, 0) != 0 && AcquireSlow(self);
            }

            internal bool TryAcquire() => ClrInterlocked.CompareExchange(ref _owner, CurrentThread.Name, 0) == 0;

            // The same, and takes it over from a dead thread, which costs a system call where somebody holds it. For a lock whose owner may
            // die without anything to mend.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal bool TryAcquireFromDead()
            {
                long self = CurrentThread.Name;
                long owner = ClrVolatile.Read(ref _owner);
                int id = CurrentThread.IdIn(owner);
                bool isFree = owner == 0 || id == CurrentThread.IdIn(self) || CurrentThread.IsDead(id);
                return isFree && ClrInterlocked.CompareExchange(ref _owner, self, owner) == owner;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal void Release()
            {
                Assert(IsHeld);
                ClrVolatile.Write(ref _owner, 0);
                if (ClrVolatile.Read(ref _flag) != Lowered)
                    Wake();
            }

            // Whether the calling thread holds this lock.
            internal readonly bool IsHeld
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrVolatile.Read(in _owner) == CurrentThread.Name;
            }

            // Somebody else holds it. Where what follows has not been compiled, and could not be, the lock will be free soon, unless its
            // owner died: then this waits until any thread has found memory for the compiler.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private bool AcquireSlow(long self)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                while (!Compilation.Has(CompilationGroups.Sharing))
                {
                    if (ClrVolatile.Read(ref _owner) == 0 && ClrInterlocked.CompareExchange(ref _owner, self, 0) == 0)
                        return false;
                    ClrThread.Yield();
                }

                return AcquireShared(self);
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private bool AcquireShared(long self)
            {
                for (int i = 0; i < Spins; i++)
                {
                    if (ClrVolatile.Read(ref _owner) == 0 && ClrInterlocked.CompareExchange(ref _owner, self, 0) == 0)
                        return false;
                    ClrThread.SpinWait(PausesPerSpin);
                }

                long owner;
                bool asks = false;
                while (true)
                {
                    // Anew after each sleep, and before the lock is taken: whoever woke this thread has lowered it, and others may sleep
                    // still.
                    ClrInterlocked.Exchange(ref _flag, Raised);
                    ClrInterlocked.MemoryBarrierProcessWide();
                    owner = ClrVolatile.Read(ref _owner);
                    int id = CurrentThread.IdIn(owner);
                    if (owner == 0 || id == CurrentThread.IdIn(self)
                        || ((asks || CurrentThread.IsOfBeforeFork(owner)) && CurrentThread.IsDead(id)))
                    {
                        if (ClrInterlocked.CompareExchange(ref _owner, self, owner) == owner)
                            break;
                    }
                    else
                    {
                        // Not where an owner has woken it or lowered the flag: it was alive just now.
                        asks = KernelThreads.WaitInVain((int*)ClrUnsafe.AsPointer(ref _flag), Raised, PatienceInMilliseconds);
                    }
                }

                return owner != 0;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private void Wake()
            {
                // First: whoever is about to sleep does not, or is asleep already.
                ClrVolatile.Write(ref _flag, Lowered);
                KernelThreads.WakeOne((int*)ClrUnsafe.AsPointer(ref _flag));
            }
        }

        // What the names of a heap's threads come from. In the root, not in statics, which CoreCLR shares with forked children.
        internal struct ThreadNames
        {
            // How many have been given.
            internal int Given;

            // The process that they were given in.
            internal int Process;

            // How many had been given when the process was found to be a forked child; 0: it was not.
            internal int GivenBeforeFork;
        }

        // What the heap knows of the calling thread: one word, in a thread static without initializer, the cheapest kind there is; or,
        // where that is not safe (ThreadKey), where the form keeps what its threads need.
        internal static partial class CurrentThread
        {
            internal const int IdBits = 32;

            // The number in the names of all threads that cannot keep one.
            internal const int UnkeptNumber = int.MaxValue;

            [ClrThreadStatic]
            private static long t_name;

            // The kernel's id of the calling thread in the lower half, and a number that no other thread of this heap has: never 0.
            internal static long Name
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get
                {
                    long name = Known;
                    return name != 0 ? name : Ask();
                }
            }

            // The same; 0 if it has not been asked for, or cannot be kept.
            private static long Known
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => IsCollectible ? Kept() : t_name;
            }

            // The kernel's id of the calling thread: never 0, and no other live thread has it.
            internal static int Id
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => IdIn(Name);
            }

            internal static int IdIn(long name) => unchecked((int)name);

            // Whether a name was given before this process was forked, as far as that is known. Nobody but the thread that forked can have
            // it.
            internal static bool IsOfBeforeFork(long name)
            {
                int before = ClrVolatile.Read(ref Names->GivenBeforeFork);
                int number = unchecked((int)(name >> IdBits));
                return before != 0 && (number <= before || number == UnkeptNumber);
            }

            // Whether no thread of this process has a kernel id.
            internal static bool IsDead(int thread) => IsDead(Process(), thread);

            // The same for the process's id, which does not change but in a forked child.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static bool IsDead(int process, int thread) => KernelThreads.IsDead(process, thread);

            // Asks the kernel anew: the only thread of a forked process has another id than where it was forked. The caller holds no lock.
            // Returns: whether the id has changed, or may have, as that of a thread that cannot keep its name.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool HasNewId()
            {
                int before = IdIn(Known);
                return before == 0 ? IsCollectible : before != KernelThreads.CurrentId() && Ask() != 0;
            }

            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static long Ask()
            {
                Process();
                int id = KernelThreads.CurrentId();
                long name = NameOf(ClrInterlocked.Increment(ref Names->Given), id);
                if (!IsCollectible)
                    t_name = name;
                else if (!TryKeep(name))
                    name = NameOf(UnkeptNumber, id);
                // A cache holds its owner's id.
                if (!HasThreadCaches && ClrOperatingSystem.IsWindows())
                    WindowsKernel.PinName(name);
                return name;
            }

            // The kernel's id of this process. Notices that it was forked.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            private static int Process()
            {
                int process = KernelThreads.ProcessId();
                ref ThreadNames names = ref *Names;
                int before = ClrVolatile.Read(ref names.Process);
                if (before == process)
                    return process;

                if (before != 0)
                    ClrVolatile.Write(ref names.GivenBeforeFork, ClrVolatile.Read(ref names.Given));
                ClrVolatile.Write(ref names.Process, process);
                return process;
            }

            private static long NameOf(int number, int id) => unchecked(((long)number << IdBits) | (uint)id);
        }
    }
}
