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
    /// A lock of one word in native memory: spins a little, then sleeps in the kernel (Drepper, "Futexes Are Tricky", 2011).
    /// Not recursive. Whoever holds one throws nothing, allocates nothing on the managed heap and loads no type: handlers of
    /// such events run on this very thread and may call the heap.
    /// </summary>
    /// <remarks>The word: 0 when free, else the kernel's id of the owning thread, with the sign bit set while anyone may sleep.</remarks>
    private struct Lock
    {
        private const int Waiters = int.MinValue;

        /// <summary>Tries before sleeping: about as long as a slab takes to be made, far less than a sleep and a wake-up.</summary>
        private const int Spins = 40;

        private const int PausesPerSpin = 8;

        private int _word;

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal void Acquire()
        {
            int self = CurrentThread.Id;
            if (ClrInterlocked.CompareExchange(ref _word, self, 0) != 0)
                AcquireSlow(self);
        }

        internal bool TryAcquire() => ClrInterlocked.CompareExchange(ref _word, CurrentThread.Id, 0) == 0;

        [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
        internal void Release()
        {
            Assert(IsHeld);
            if (ClrInterlocked.Exchange(ref _word, 0) < 0)
                Wake();
        }

        /// <summary>Whether the calling thread holds this lock.</summary>
        internal readonly bool IsHeld => (ClrVolatile.Read(in _word) & ~Waiters) == CurrentThread.Id;

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private void AcquireSlow(int self)
        {
            Assert(!IsHeld);
            for (int i = 0; i < Spins; i++)
            {
                if (ClrVolatile.Read(ref _word) == 0 && ClrInterlocked.CompareExchange(ref _word, self, 0) == 0)
                    return;
                ClrThread.SpinWait(PausesPerSpin);
            }

            // From here on the word keeps the mark when it is taken: others may sleep behind this thread.
            while (true)
            {
                int seen = ClrVolatile.Read(ref _word);
                if (seen == 0)
                {
                    if (ClrInterlocked.CompareExchange(ref _word, self | Waiters, 0) == 0)
                        return;
                }
                else if (seen < 0 || ClrInterlocked.CompareExchange(ref _word, seen | Waiters, seen) == seen)
                {
                    _ = Syscalls.FutexWait((int*)ClrUnsafe.AsPointer(ref _word), seen | Waiters);
                }
            }
        }

        [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
        private void Wake() => _ = Syscalls.FutexWake((int*)ClrUnsafe.AsPointer(ref _word), 1);
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
