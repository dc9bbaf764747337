namespace Emma.Templates;

using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrThread = global::System.Threading.Thread;
using ClrThreadStatic = global::System.ThreadStaticAttribute;
using ClrUnsafe = global::System.Runtime.CompilerServices.Unsafe;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    /// <summary>
    /// A lock in native memory: spins a little, then sleeps in the kernel. Not recursive. Whoever holds one throws nothing, allocates nothing
    /// on the managed heap and loads no type of another assembly: handlers of such events run on this very thread and may call the heap.
    /// </summary>
    /// <remarks>
    /// The owner word is 0 when free, else the kernel's id of the owning thread. Taking the lock is one atomic operation; giving it back is a
    /// store and a load, which the processor may swap: then the owner misses a thread that is about to sleep. So a thread that is about to sleep
    /// says so, has every processor pass a barrier, and looks again: either the owner sees it, or it sees the lock free. It pays for
    /// the owner's barrier too, but only when it sleeps anyway (Dice, Huang and Yang, "Asymmetric Dekker Synchronization", 2001).
    /// </remarks>
    private struct Lock
    {
        /// <summary>Tries before sleeping: about as long as a slab takes to be made, far less than a sleep and a wake-up.</summary>
        private const int Spins = 40;

        private const int PausesPerSpin = 8;

        private int _owner;
        private int _sleepers;

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal void Acquire()
        {
            int self = CurrentThread.Id;
            if (ClrInterlocked.CompareExchange(ref _owner, self, 0) != 0)
                AcquireSlow(self);
        }

        internal bool TryAcquire() => ClrInterlocked.CompareExchange(ref _owner, CurrentThread.Id, 0) == 0;

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal void Release()
        {
            Assert(IsHeld);
            ClrVolatile.Write(ref _owner, 0);
            if (ClrVolatile.Read(ref _sleepers) != 0)
                Wake();
        }

        /// <summary>Whether the calling thread holds this lock.</summary>
        internal readonly bool IsHeld => ClrVolatile.Read(in _owner) == CurrentThread.Id;

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private void AcquireSlow(int self)
        {
            Assert(!IsHeld);
            for (int i = 0; i < Spins; i++)
            {
                if (ClrVolatile.Read(ref _owner) == 0 && ClrInterlocked.CompareExchange(ref _owner, self, 0) == 0)
                    return;
                ClrThread.SpinWait(PausesPerSpin);
            }

            ClrInterlocked.Increment(ref _sleepers);
            ClrInterlocked.MemoryBarrierProcessWide();
            while (true)
            {
                int owner = ClrVolatile.Read(ref _owner);
                if (owner != 0)
                    Syscalls.FutexWait((int*)ClrUnsafe.AsPointer(ref _owner), owner);
                else if (ClrInterlocked.CompareExchange(ref _owner, self, 0) == 0)
                    break;
            }

            ClrInterlocked.Decrement(ref _sleepers);
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private void Wake() => Syscalls.FutexWake((int*)ClrUnsafe.AsPointer(ref _owner), 1);
    }

    /// <summary>What the heap knows of the calling thread. One thread static and no initializer: the cheapest kind there is.</summary>
    private static class CurrentThread
    {
        [ClrThreadStatic]
        private static int t_id;

        /// <summary>The kernel's id of the calling thread: never 0, and no other live thread has it.</summary>
        internal static int Id
        {
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            get
            {
                int id = t_id;
                return id != 0 ? id : Ask();
            }
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private static int Ask() => t_id = Syscalls.GetTid();
    }
}
