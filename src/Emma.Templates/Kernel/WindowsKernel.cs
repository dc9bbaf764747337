namespace Emma.Templates;

using ClrMath = global::System.Math;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What VirtualMemory and KernelThreads ask for, on Windows, on every processor.
        // A mapping is a row of reservations of a unit each, side by side: a reservation can be released as a whole only, and a mapping is
        // cut and lengthened by units. What is released faults, and others may have it. Within a unit memory is committed and decommitted.
        // All of this is compiled when the functions are found, before any lock.
        internal static partial class WindowsKernel
        {
            private const nuint Unit = VirtualMemory.Unit;

            private const int ThisProcess = -1;

            private const int Commit = 0x1000;
            private const int Reserve = 0x2000;
            private const int Decommit = 0x4000;
            private const int Release = 0x8000;

            private const int PageReadWrite = 4;

            private const int StatusTimeout = 0x102;

            private const int StatusInvalidClientId = unchecked((int)0xC000_000B);
            private const int StatusConflictingAddresses = unchecked((int)0xC000_0018);

            // The right to wait for a thread.
            private const int Synchronize = 0x10_0000;

            private const int SystemPreferredRandom = 2;

            // In units of 100 ns, and less than 0: from now on.
            private const long TicksPerMillisecond = -10_000;

            internal static nint MapAt(nuint address, nuint length, nuint committed)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                for (nuint done = 0; done < length; done += Unit)
                {
                    nuint rest = committed > done ? committed - done : 0;
                    nint result = MapPieceAt(address + done, Unit, rest < Unit ? rest : Unit);
                    if (result < 0)
                    {
                        if (done != 0)
                            TryUnmap(address, done);
                        return result;
                    }
                }

                return (nint)address;
            }

            internal static nint MapPieceAt(nuint address, nuint length, nuint committed)
            {
                int status = Allocate(address, length, committed == length ? Reserve | Commit : Reserve);
                if (status < 0)
                    return status == StatusConflictingAddresses ? VirtualMemory.PlaceTaken : -Syscalls.ErrorNoMemory;
                if (committed == 0 || committed == length || Allocate(address, committed, Commit) >= 0)
                    return (nint)address;

                Free(address, 0, Release);
                return -Syscalls.ErrorNoMemory;
            }

            internal static bool TryUnmapPiece(nuint address) => Free(address, 0, Release) >= 0;

            // A range that begins a unit has no neighbour in it, and one that begins within it lies behind memory that stays. What is
            // refused after something was done stays reserved: addresses, which the heap passes over from then on.
            internal static bool TryUnmap(nuint address, nuint length)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                nuint end = address + length;
                for (nuint at = address; at < end; at = EndOfUnit(at))
                {
                    bool done = at % Unit == 0 ? TryUnmapPiece(at) : TryDecommitWithin(at, ClrMath.Min(EndOfUnit(at), end) - at);
                    if (!done && at == address)
                        return false;
                    if (!done)
                        TryDecommitWithin(at, ClrMath.Min(EndOfUnit(at), end) - at);
                }

                return true;
            }

            internal static bool TryLengthen(nuint address, nuint oldLength, nuint newLength)
            {
                nuint within = ClrMath.Min(AlignUp(oldLength, Unit), newLength);
                if (within > oldLength && !TryCommit(address + oldLength, within - oldLength))
                    return false;
                if (within == newLength || MapAt(address + within, newLength - within, newLength - within) > 0)
                    return true;

                if (within > oldLength)
                    TryDecommitWithin(address + oldLength, within - oldLength);
                return false;
            }

            internal static bool TryDecommit(nuint address, nuint length)
            {
                byte* notReplaced = stackalloc byte[LongLoop.Bytes];
                bool done = true;
                nuint end = address + length;
                for (nuint at = address; at < end; at = EndOfUnit(at))
                    done &= TryDecommitWithin(at, ClrMath.Min(EndOfUnit(at), end) - at);
                return done;
            }

            internal static bool TryCommit(nuint address, nuint length) => Allocate(address, length, Commit) >= 0;

            internal static bool IsConceivable(nuint length)
            {
                nuint address = 0;
                return AllocateSomewhere(&address, length, Reserve | Commit) >= 0 && TryUnmapPiece(address);
            }

            internal static bool TryDraw(ulong* random) =>
                Call(Heap->Windows.GenRandom, 0, (nint)random, sizeof(ulong), SystemPreferredRandom) >= 0;

            internal static int CurrentThreadId() => Call(Heap->Windows.GetCurrentThreadId);

            // An id that no thread has, or that one has which has ended, and which somebody still refers to.
            internal static bool IsDead(int thread)
            {
                int status = Open(thread, out nint handle);
                if (status < 0)
                    return status == StatusInvalidClientId;

                long now = 0;
                bool ended = Call(Heap->Windows.WaitForSingleObject, handle, 0, (nint)(&now)) == 0;
                Call(Heap->Windows.Close, handle);
                return ended;
            }

            // While somebody has a handle of a thread, its id is not given to another. It is never used for anything else: it may be closed
            // while others look.
            internal static void Pin(ref nint pin)
            {
                nint before = pin;
                pin = Open(CurrentThreadId(), out nint handle) < 0 ? 0 : handle;
                if (before != 0)
                    Call(Heap->Windows.Close, before);
            }

            internal static void Unpin(ref nint pin)
            {
                if (pin != 0)
                    Call(Heap->Windows.Close, pin);
                pin = 0;
            }

            internal static nint Wait(int* word, int expected, int milliseconds)
            {
                long time = milliseconds * TicksPerMillisecond;
                int status = Call(Heap->Windows.WaitOnAddress, (nint)word, (nint)(&expected), sizeof(int), (nint)(&time));
                return status == StatusTimeout || status < 0 ? -1 : 0;
            }

            internal static void WakeOne(int* word) => Call(Heap->Windows.WakeAddressSingle, (nint)word);

            private static nuint EndOfUnit(nuint address) => (address & ~(Unit - 1)) + Unit;

            private static bool TryDecommitWithin(nuint address, nuint length) => Free(address, length, Decommit) >= 0;

            private static int Allocate(nuint address, nuint length, int type) => AllocateSomewhere(&address, length, type);

            private static int AllocateSomewhere(nuint* address, nuint length, int type) =>
                Call(Heap->Windows.AllocateVirtualMemory, ThisProcess, (nint)address, 0, (nint)(&length), type, PageReadWrite);

            private static int Free(nuint address, nuint length, int type) =>
                Call(Heap->Windows.FreeVirtualMemory, ThisProcess, (nint)(&address), (nint)(&length), type);

            private static int Open(int thread, out nint handle)
            {
                // A CLIENT_ID: the process and the thread; and an OBJECT_ATTRIBUTES that says its own length and nothing else.
                nint* id = stackalloc nint[2];
                id[0] = Heap->Windows.Process;
                id[1] = (nint)(uint)thread;
                const int words = 6;
                nint* attributes = stackalloc nint[words];
                for (int i = 0; i < words; i++)
                    attributes[i] = 0;
                attributes[0] = words * sizeof(long);
                nint opened = 0;
                int status = Call(Heap->Windows.OpenThread, (nint)(&opened), Synchronize, (nint)attributes, (nint)id);
                handle = opened;
                return status;
            }

            // Calls a function, all of which return 32 bits: what is above them may be anything. The garbage collector may run meanwhile.
            // In the calling conventions of Windows a function does not see arguments that it does not take.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            private static int Call(nint function, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0) =>
                ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, int>)function)(a, b, c, d, e, f);
        }
    }
}
