namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrVolatile = global::System.Threading.Volatile;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What VirtualMemory and KernelThreads ask for, on macOS, on every processor: functions of libSystem. Why one of them refuses is
        // asked for nowhere, so that no errno has to be read.
        // Memory is handed out as it is touched, as on Linux. What differs:
        // * No flag keeps mmap from replacing what is there or from mapping elsewhere. Without MAP_FIXED the kernel (xnu) seeks the first
        //   gap from the address on, and then from the lowest one, so what it says must be compared.
        // * No advice has pages read as zeros: MADV_DONTNEED and MADV_FREE leave their contents for a while. A mapping in place of one's
        //   own pages does. The kernel exchanges the two while it holds its lock on the process's addresses, so that who reads meanwhile
        //   finds what was there or zeros; and it puts back what was there if it cannot.
        // * A mapping cannot be moved without its bytes.
        // * The kernel's list of mappings has no bound but memory, and what a mapping may be long is a question of addresses alone.
        // All of this is compiled when the functions are found, before any lock.
        internal static class DarwinKernel
        {
            internal const int ProtNone = 0;
            internal const int ProtReadWrite = 1 | 2;

            // MAP_PRIVATE | MAP_NORESERVE | MAP_ANON
            private const int MapNear = 0x0002 | 0x0040 | 0x1000;

            // With MAP_FIXED.
            private const int MapReplacing = MapNear | 0x0010;

            private const nint NoFile = -1;
            private const nint MapFailed = -1;

            private const int KernSuccess = 0;
            private const int KernInvalidName = 15;

            // MACH_PORT_TYPE_SEND: a right to send to a port that exists.
            private const int TypeSend = 1 << 16;

            // OS_CLOCK_MACH_ABSOLUTE_TIME. The time is one from now on, and in nanoseconds on any clock.
            private const int AbsoluteClock = 32;

            private const int MicrosecondsPerMillisecond = 1000;
            private const nint NanosecondsPerMillisecond = 1_000_000;

            // Microseconds that a thread sleeps before it looks at a word again, where the kernel knows no waiting for an address: twice as
            // long each time. Whoever gives the word up meanwhile tells nobody.
            private const int ShortestPause = 50;
            private const int LongestPause = 3200;

            internal static nint MapAt(nuint address, nuint length, int protection)
            {
                nint result = Mmap(address, length, protection, MapNear);
                if (result == (nint)address)
                    return result;
                if (result == MapFailed)
                    return -Syscalls.ErrorNoMemory;

                Call(Heap->Darwin.Munmap, result, (nint)length);
                return VirtualMemory.PlaceTaken;
            }

            internal static bool TryUnmap(nuint address, nuint length) =>
                CallForInt(Heap->Darwin.Munmap, (nint)address, (nint)length) == 0;

            internal static bool TryLengthen(nuint address, nuint oldLength, nuint newLength)
            {
                nuint end = address + oldLength;
                return MapAt(end, newLength - oldLength, ProtReadWrite) == (nint)end;
            }

            // Maps fresh pages, zeros, in place of pages that the heap has there.
            internal static bool TryReplace(nuint address, nuint length, int protection) =>
                Mmap(address, length, protection, MapReplacing) == (nint)address;

            internal static bool TryProtect(nuint address, nuint length, int protection) =>
                CallForInt(Heap->Darwin.Mprotect, (nint)address, (nint)length, protection) == 0;

            internal static bool TryDraw(ulong* random) => CallForInt(Heap->Darwin.GetEntropy, (nint)random, sizeof(ulong)) == 0;

            internal static int ProcessId() => CallForInt(Heap->Darwin.GetPid);

            // The name under which this process knows the thread's port. The library of threads holds a right to it from before the
            // thread's first instruction to the call that ends the thread, so no two that live have the same. (What pthread_self says is
            // unique as well, and nobody can be asked for it; the number that the kernel counts threads by has 64 bits, and half of it is
            // not unique.)
            internal static int CurrentThreadId() => CallForInt(Heap->Darwin.PthreadMachThread, Call(Heap->Darwin.PthreadSelf));

            // Whether this process has no right to send to a port of that name: it has one to each of its threads as long as they run code.
            // The right may be gone, or be one to a port that is. A name that was given to a thread or to another port since looks alive;
            // so does any other answer of the kernel's.
            internal static bool IsDead(int thread)
            {
                int type = 0;
                int result = CallForInt(Heap->Darwin.MachPortType, *(int*)Heap->Darwin.TaskSelf, thread, (nint)(&type));
                return result == KernInvalidName || (result == KernSuccess && (type & TypeSend) == 0);
            }

            // Returns: 0; or -1: the time has passed, or a signal came.
            internal static nint Wait(int* word, int expected, int milliseconds)
            {
                if (Heap->Darwin.WaitOnAddress == 0)
                    return Poll(word, expected, milliseconds);

                nint value = unchecked((nint)(uint)expected);
                nint time = milliseconds * NanosecondsPerMillisecond;
                return CallForInt(Heap->Darwin.WaitOnAddress, (nint)word, value, sizeof(int), 0, AbsoluteClock, time) < 0 ? -1 : 0;
            }

            internal static void WakeOne(int* word)
            {
                if (Heap->Darwin.WakeByAddress != 0)
                    Call(Heap->Darwin.WakeByAddress, (nint)word, sizeof(int));
            }

            private static nint Poll(int* word, int expected, int milliseconds)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                int pause = ShortestPause;
                for (int left = milliseconds * MicrosecondsPerMillisecond; left > 0;)
                {
                    if (ClrVolatile.Read(ref *word) != expected)
                        return 0;

                    Call(Heap->Darwin.USleep, pause);
                    left -= pause;
                    if (pause < LongestPause)
                        pause *= 2;
                }

                return ClrVolatile.Read(ref *word) != expected ? 0 : -1;
            }

            private static nint Mmap(nuint address, nuint length, int protection, int flags) =>
                Call(Heap->Darwin.Mmap, (nint)address, (nint)length, protection, flags, NoFile);

            private static int CallForInt(nint function, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0) =>
                unchecked((int)Call(function, a, b, c, d, e, f));

            // Calls a function. The garbage collector may run meanwhile. In the calling conventions of macOS a function does not see
            // arguments in registers that it does not take, and looks at as many bits of the others as it takes.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static nint Call(nint function, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0) =>
                ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)function)(a, b, c, d, e, f);
        }
    }
}
