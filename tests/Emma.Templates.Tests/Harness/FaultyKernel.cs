using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // The kinds of system calls that a heap makes.
        private enum CallKind
        {
            Mmap,
            Munmap,
            Mremap,
            Madvise,
            GetRandom,
            TgKill,
            FutexWait,
            FutexWake,

            // Calls that have no way to fail.
            Other,
        }

        // How a system call fails: errno, or one of the ways below.
        private static class Failure
        {
            internal const int NotPermitted = 1;
            internal const int Interrupted = 4;
            internal const int Again = 11;
            internal const int NoMemory = 12;
            internal const int Exists = 17;
            internal const int Invalid = 22;
            internal const int NotImplemented = 38;

            // The highest errno.
            internal const int LastError = 4095;

            // mmap: a kernel before 4.17 takes the address as a hint, and maps elsewhere.
            internal const int Elsewhere = 5000;

            // mremap: the target of a move is unmapped already when the kernel finds no memory.
            internal const int HalfWay = 5001;

            // getrandom: fewer bytes than asked for.
            internal const int TooFew = 5002;

            internal static int[] Of(CallKind kind) => kind switch
            {
                CallKind.Mmap => [NoMemory, Invalid, NotPermitted, NotImplemented, Interrupted, Again, Exists, Elsewhere],
                CallKind.Mremap => [NoMemory, Invalid, NotPermitted, NotImplemented, Interrupted, Again, HalfWay],
                CallKind.GetRandom => [NoMemory, Invalid, NotPermitted, NotImplemented, Interrupted, Again, TooFew],
                CallKind.Other => [],
                _ => [NoMemory, Invalid, NotPermitted, NotImplemented, Interrupted, Again],
            };
        }

        // A failure of the n-th call of a kind, counted from 1; of all from there on if it lasts.
        private readonly record struct Fault(CallKind Kind, long Nth, int Failure, bool Lasts = false)
        {
            internal bool Strikes(CallKind kind, long nth) => Nth != 0 && kind == Kind && (nth == Nth || (Lasts && nth > Nth));

            public override string ToString() =>
                Nth == 0 ? "no fault" : $"{Kind} {Nth}{(Lasts ? " and all later" : "")}: failure {Failure}";
        }

        // Stands between the heap and the kernel until disposed: counts the calls of each kind, makes chosen ones fail without reaching the
        // kernel, and keeps a ledger of what is mapped. One at a time; the heap has nothing mapped when it begins.
        private sealed class FaultyKernel : IDisposable
        {
            // The type's own memory: a call that is just under way when the object is disposed may still use it.
            private static State* s_state;
            private static bool s_active;

            private readonly object _former;

            private struct State
            {
                internal nint Syscall;
                internal Fault First;
                internal Fault Second;

                // In so many calls one fails, whichever it is; 0: none but those chosen.
                internal uint OneIn;

                internal ulong Random;
                internal long Hits;
                internal int Lock;
                internal MappingLedger Ledger;

                // The first call that touched what the heap does not own: kind + 1, address, length.
                internal int TrespassKind;
                internal nuint TrespassAddress;
                internal nuint TrespassLength;

                internal fixed long Counts[(int)CallKind.Other + 1];
            }

            internal FaultyKernel()
            {
                Assumption.NotWindows("the calls that fail are Linux's.");
                HeapState.EnsureRunning();
                Destroy();
                Expect.Equal(KernelAccess.Trampolines, KernelEntry.Access);
                Expect.False(s_active);
                Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
                foreach (Type type in new[] { typeof(FaultyKernel), typeof(MappingLedger), typeof(Fault), typeof(CallNumbers) })
                {
                    const BindingFlags all =
                        BindingFlags.NonPublic | BindingFlags.Public
                            | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
                    foreach (MethodInfo method in type.GetMethods(all))
                        RuntimeHelpers.PrepareMethod(method.MethodHandle);
                }

                RuntimeHelpers.RunClassConstructor(typeof(CallNumbers).TypeHandle);
                _former = CurrentEntry.GetValue(null)!;
                if (s_state == null)
                    s_state = (State*)RuntimeHelpers.AllocateTypeAssociatedMemory(typeof(FaultyKernel), sizeof(State));
                *s_state = default;
                s_state->Syscall = (nint)Member("_syscall");
                s_state->Ledger.Begin();
                s_active = true;
                delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint> call = &Call;
                ConstructorInfo constructor = typeof(KernelEntry).GetConstructors(BindingFlags.NonPublic | BindingFlags.Instance)[0];
                CurrentEntry.SetValue(null, constructor.Invoke([(nint)call, Member("_codeBehind"), Member("_page")]));
            }

            private static FieldInfo CurrentEntry =>
                typeof(KernelEntry).GetField("s_current", BindingFlags.NonPublic | BindingFlags.Static)!;

            // How many calls have been made to fail.
            internal long Hits => Volatile.Read(ref s_state->Hits);

            // What the heap has mapped.
            internal ref MappingLedger Mapped => ref s_state->Ledger;

            // The call that touched memory which the heap had not mapped; null: none did.
            internal string? Trespass => s_state->TrespassKind == 0
                ? null
                : $"{(CallKind)(s_state->TrespassKind - 1)} of {s_state->TrespassLength} bytes at 0x{s_state->TrespassAddress:x}, " +
                    "which are not the heap's";

            internal long CountOf(CallKind kind) => Volatile.Read(ref s_state->Counts[(int)kind]);

            // Begins to count anew, with these faults to come.
            internal void Begin(Fault first = default, Fault second = default)
            {
                Clear();
                for (int kind = 0; kind <= (int)CallKind.Other; kind++)
                    Volatile.Write(ref s_state->Counts[kind], 0);
                s_state->First = first;
                s_state->Second = second;
            }

            // Lets calls fail at random, from now on.
            internal void BeginAtRandom(ulong seed, uint oneIn)
            {
                Begin();
                s_state->Random = (seed << 1) | 1;
                Volatile.Write(ref s_state->OneIn, oneIn);
            }

            // Ends all faults.
            internal void Clear()
            {
                s_state->First = default;
                s_state->Second = default;
                Volatile.Write(ref s_state->OneIn, 0);
            }

            public void Dispose()
            {
                Clear();
                CurrentEntry.SetValue(null, _former);
                s_active = false;
                Mapped.UnmapAddresses();
            }

            private object Member(string name) =>
                typeof(KernelEntry).GetField(name, BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(_former)!;

            [UnmanagedCallersOnly]
            private static nint Call(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
            {
                CallKind kind = KindOf(CallNumbers.NamedOf(number), b);
                long nth = Interlocked.Increment(ref s_state->Counts[(int)kind]);
                int failure = FailureOf(kind, nth);
                if (failure != 0)
                    Interlocked.Increment(ref s_state->Hits);
                if (failure is > 0 and <= Failure.LastError)
                    return -failure;
                if (kind > CallKind.Madvise)
                    return failure == Failure.TooFew ? Forward(number, a, 3, c, d, e, f) : Forward(number, a, b, c, d, e, f);

                // What is mapped and what the ledger says must change together.
                while (Interlocked.CompareExchange(ref s_state->Lock, 1, 0) != 0)
                    Thread.Yield();
                nint result = kind switch
                {
                    CallKind.Mmap => Mmap((nuint)a, (nuint)b, c, d, failure),
                    CallKind.Munmap => Munmap((nuint)a, (nuint)b),
                    CallKind.Mremap => Mremap((nuint)a, (nuint)b, (nuint)c, d, (nuint)e, failure),
                    _ => Madvise((nuint)a, (nuint)b, c),
                };
                Volatile.Write(ref s_state->Lock, 0);
                return result;
            }

            private static CallKind KindOf(nint number, nint operation) => number switch
            {
                X64.Mmap => CallKind.Mmap,
                X64.Munmap => CallKind.Munmap,
                X64.Mremap => CallKind.Mremap,
                X64.Madvise => CallKind.Madvise,
                X64.GetRandom => CallKind.GetRandom,
                X64.TgKill => CallKind.TgKill,
                X64.Futex => (operation & 1) == 0 ? CallKind.FutexWait : CallKind.FutexWake,
                _ => CallKind.Other,
            };

            private static int FailureOf(CallKind kind, long nth)
            {
                if (s_state->First.Strikes(kind, nth))
                    return s_state->First.Failure;
                if (s_state->Second.Strikes(kind, nth))
                    return s_state->Second.Failure;
                uint oneIn = Volatile.Read(ref s_state->OneIn);
                if (oneIn == 0 || kind == CallKind.Other)
                    return 0;

                // A linear congruential step; which thread gets which number is not determined anyway.
                ulong random = unchecked(s_state->Random * 6364136223846793005 + 1442695040888963407);
                s_state->Random = random;
                return (random >> 33) % oneIn == 0 ? Failure.NoMemory : 0;
            }

            private static nint Forward(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0) =>
                ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)s_state->Syscall)(number, a, b, c, d, e, f);

            private static nint Mmap(nuint address, nuint length, nint protection, nint flags, int failure)
            {
                nint result = failure == Failure.Elsewhere
                    ? Forward(CallNumbers.OwnOf(X64.Mmap), 0, (nint)length, protection, Syscalls.MapUnreserved, -1)
                    : Forward(CallNumbers.OwnOf(X64.Mmap), (nint)address, (nint)length, protection, flags, -1);
                if (result > 0)
                {
                    MappingUse use = protection == Syscalls.ProtNone || failure == Failure.Elsewhere ? MappingUse.Addresses
                        : Space->IsPlaceOfMarks(address) ? MappingUse.Marks
                        : MappingUse.Memory;
                    s_state->Ledger.Add((nuint)result, length, use);
                }

                return result;
            }

            private static nint Munmap(nuint address, nuint length)
            {
                RequireOwn(CallKind.Munmap, address, length);
                nint result = Forward(CallNumbers.OwnOf(X64.Munmap), (nint)address, (nint)length);
                if (result == 0)
                    s_state->Ledger.Remove(address, length);
                return result;
            }

            private static nint Mremap(nuint address, nuint oldLength, nuint newLength, nint flags, nuint target, int failure)
            {
                RequireOwn(CallKind.Mremap, address, oldLength);
                bool moves = (flags & Syscalls.MremapFixed) != 0;
                if (moves)
                    RequireOwn(CallKind.Mremap, target, newLength);
                if (failure == Failure.HalfWay)
                {
                    if (moves)
                        Munmap(target, newLength);
                    return -Failure.NoMemory;
                }

                nint result = Forward(CallNumbers.OwnOf(X64.Mremap), (nint)address, (nint)oldLength, (nint)newLength, flags, (nint)target);
                if (result > 0)
                {
                    s_state->Ledger.Remove(address, oldLength);
                    s_state->Ledger.Remove((nuint)result, newLength);
                    s_state->Ledger.Add((nuint)result, newLength, MappingUse.Memory);
                }

                return result;
            }

            private static nint Madvise(nuint address, nuint length, nint advice)
            {
                RequireOwn(CallKind.Madvise, address, length);
                return Forward(CallNumbers.OwnOf(X64.Madvise), (nint)address, (nint)length, advice);
            }

            private static void RequireOwn(CallKind kind, nuint address, nuint length)
            {
                if (s_state->TrespassKind != 0 || s_state->Ledger.Covers(address, length))
                    return;

                s_state->TrespassAddress = address;
                s_state->TrespassLength = length;
                s_state->TrespassKind = (int)kind + 1;
            }
        }
    }
}
