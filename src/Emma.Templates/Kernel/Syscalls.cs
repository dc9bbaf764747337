namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // Linux: the system calls that VirtualMemory and KernelThreads are made of there. All lengths are bytes; every result is the
        // kernel's own, or -errno.
        internal static class Syscalls
        {
            internal const int ProtNone = 0;
            internal const int ProtRead = 1;
            internal const int ProtReadWrite = 1 | 2;

            // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE (4.17; an older kernel takes the address as a hint).
            internal const int MapAtFreeAddress = 0x02 | 0x20 | 0x4000 | 0x10_0000;

            // MAP_PRIVATE | MAP_ANONYMOUS: the kernel chooses the place, and refuses what exceeds the machine's memory by far.
            internal const int MapAnywhere = 0x02 | 0x20;

            // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE: the kernel chooses the place and counts only what is touched.
            internal const int MapUnreserved = 0x02 | 0x20 | 0x4000;

            internal const int MremapMayMove = 1;
            internal const int MremapFixed = 2;

            internal const int MadvDontNeed = 4;
            private const int MadvDontNeedLocked = 24;
            internal const int MadvHugePage = 14;
            internal const int MadvNoHugePage = 15;

            // Advice that tells neighbouring mappings apart, which would become one otherwise.
            internal const int MadvRandom = 1;
            internal const int MadvSequential = 2;

            // Advice: pages fault from then on, without a mapping of their own (6.13).
            internal const int MadvGuardInstall = 102;
            internal const int MadvGuardRemove = 103;

            internal const int ErrorNoSuchProcess = 3;
            internal const int ErrorTryAgain = 11;
            internal const int ErrorNoMemory = 12;
            internal const int ErrorExists = 17;
            private const int ErrorInvalid = 22;

            private const int CurrentFolder = -100;
            private const int OpenCloseOnExec = 0x8_0000;
            private const int FutexWaitPrivate = 0 | 128;
            private const int FutexWakePrivate = 1 | 128;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint Mmap(nuint address, nuint length, int protection, int flags) =>
                KernelEntry.Invoke(CallNumber.Mmap, (nint)address, (nint)length, protection, flags, -1, 0);

            // Maps memory at an address if nothing is there. What an old kernel has mapped elsewhere goes again.
            // Returns: the address, or -errno; -EEXIST: something is there.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint MapAt(nuint address, nuint length, int protection)
            {
                nint result = Mmap(address, length, protection, MapAtFreeAddress);
                if (result <= 0 || result == (nint)address)
                    return result;
                Munmap((nuint)result, length);
                return -ErrorExists;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint Munmap(nuint address, nuint length) =>
                KernelEntry.Invoke(CallNumber.Munmap, (nint)address, (nint)length);

            internal static nint Mprotect(nuint address, nuint length, int protection) =>
                KernelEntry.Invoke(CallNumber.Mprotect, (nint)address, (nint)length, protection);

            internal static nint Mremap(nuint address, nuint oldLength, nuint newLength, int flags, nuint target) =>
                KernelEntry.Invoke(CallNumber.Mremap, (nint)address, (nint)oldLength, (nint)newLength, flags, (nint)target);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint Madvise(nuint address, nuint length, int advice) =>
                KernelEntry.Invoke(CallNumber.Madvise, (nint)address, (nint)length, advice);

            // Gives the kernel the contents of pages, which are zeros when they are read next; those of memory that is locked, too, from
            // Linux 5.18 on.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint Discard(nuint address, nuint length)
            {
                nint result = Madvise(address, length, MadvDontNeed);
                return result == -ErrorInvalid ? Madvise(address, length, MadvDontNeedLocked) : result;
            }

            // Sleeps while the word holds the expected value; woken by FutexWake, a signal, after a time, or at once if it does not.
            internal static nint FutexWait(int* word, int expected, int milliseconds)
            {
                const long nanosecondsPerMillisecond = 1_000_000;
                long* time = stackalloc long[] { milliseconds / 1000, milliseconds % 1000 * nanosecondsPerMillisecond };
                return KernelEntry.Invoke(CallNumber.Futex, (nint)word, FutexWaitPrivate, expected, (nint)time);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint FutexWake(int* word, int waiters) =>
                KernelEntry.Invoke(CallNumber.Futex, (nint)word, FutexWakePrivate, waiters);

            // Opens a file to be read, which a child that is executed does not inherit. The path is UTF-8 that ends with a 0.
            internal static nint Open(global::System.ReadOnlySpan<byte> path)
            {
                fixed (byte* name = path)
                    return KernelEntry.Invoke(CallNumber.OpenAt, CurrentFolder, (nint)name, OpenCloseOnExec);
            }

            internal static nint Read(nint file, void* buffer, nuint length) =>
                KernelEntry.Invoke(CallNumber.Read, file, (nint)buffer, (nint)length);

            internal static nint Close(nint file) => KernelEntry.Invoke(CallNumber.Close, file);

            internal static nint Membarrier(int command) => KernelEntry.Invoke(CallNumber.Membarrier, command);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int GetPid() => (int)KernelEntry.Invoke(CallNumber.GetPid);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int GetTid() => (int)KernelEntry.Invoke(CallNumber.GetTid);

            internal static nint TgKill(int process, int thread, int signal) =>
                KernelEntry.Invoke(CallNumber.TgKill, process, thread, signal);

            // Milliseconds of a clock that only runs forwards; coarse, and never 0.
            internal static long Milliseconds()
            {
                const int monotonicCoarse = 6;
                long* time = stackalloc long[2];
                KernelEntry.Invoke(CallNumber.ClockGetTime, monotonicCoarse, (nint)time);
                return time[0] * 1000 + time[1] / 1_000_000 + 1;
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint GetRandom(void* buffer, nuint length) =>
                KernelEntry.Invoke(CallNumber.GetRandom, (nint)buffer, (nint)length);
        }
    }
}
