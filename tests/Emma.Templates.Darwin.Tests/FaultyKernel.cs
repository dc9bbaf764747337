using System.Reflection;
using System.Runtime.CompilerServices;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // The kinds of calls that a heap makes on macOS, named after what Linux does in their place.
        private enum CallKind
        {
            // Fresh memory.
            Mmap,
            Munmap,

            // mmap over pages of the heap's own, which gives their contents back.
            Madvise,
            GetRandom,

            // mach_port_type, which tells whether a thread lives.
            TgKill,
            FutexWait,
            FutexWake,

            // Calls that have no way to fail.
            Other,

            // A call that only heaps make that close pages.
            Mprotect,
        }

        // How a call fails.
        private static class Failure
        {
            // In any way: the heap does not ask why.
            internal const int NoMemory = 12;
            internal const int Invalid = NoMemory;

            // mmap: something is there, or the kernel has other plans, and maps elsewhere.
            internal const int Elsewhere = 5000;

            internal static int[] Of(CallKind kind) => kind switch
            {
                CallKind.Mmap => [NoMemory, Elsewhere],
                CallKind.Other => [],
                _ => [NoMemory],
            };
        }

        // A failure of the n-th call of a kind, counted from 1; of all from there on if it lasts.
        private readonly record struct Fault(CallKind Kind, long Nth, int Failure, bool Lasts = false)
        {
            internal bool Strikes(CallKind kind, long nth) => Nth != 0 && kind == Kind && (nth == Nth || (Lasts && nth > Nth));

            public override string ToString() =>
                Nth == 0 ? "no fault" : $"{Kind} {Nth}{(Lasts ? " and all later" : "")}: failure {Failure}";
        }

        // While there is one, the functions of DarwinSystem count their calls, fail where that was asked for, and keep a ledger of what is
        // mapped. One at a time; the heap has nothing mapped when it begins.
        private sealed class FaultyKernel : IDisposable
        {
            // The type's own memory: a call that is just under way when the object is disposed may still use it.
            private static State* s_state;

            private struct State
            {
                internal int Active;
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

                internal fixed long Counts[(int)CallKind.Mprotect + 1];
            }

            internal FaultyKernel()
            {
                HeapState.EnsureRunning();
                Destroy();
                Expect.Equal((nuint)0, (nuint)GetStatistics().MappedBytes);
                foreach (Type type in new[] { typeof(FaultyKernel), typeof(MappingLedger), typeof(Fault), typeof(DarwinSystem) })
                {
                    const BindingFlags all =
                        BindingFlags.NonPublic | BindingFlags.Public
                            | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
                    foreach (MethodInfo method in type.GetMethods(all))
                        RuntimeHelpers.PrepareMethod(method.MethodHandle);
                }

                if (s_state == null)
                    s_state = (State*)RuntimeHelpers.AllocateTypeAssociatedMemory(typeof(FaultyKernel), sizeof(State));
                Expect.Equal(0, s_state->Active);
                *s_state = default;
                s_state->Ledger.Begin();
                Volatile.Write(ref s_state->Active, 1);
            }

            private static bool IsActive => s_state != null && Volatile.Read(ref s_state->Active) != 0;

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
                for (int kind = 0; kind <= (int)CallKind.Mprotect; kind++)
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
                Mapped.UnmapAddresses();
                Volatile.Write(ref s_state->Active, 0);
            }

            // Counts a call. Whether it is to fail.
            internal static bool Fails(CallKind kind) => IsActive && FailureOf(kind) != 0;

            internal static nint MapAt(nint address, nint length, int protection)
            {
                if (!IsActive)
                    return DarwinSystem.MapNear(address, length, protection);

                int failure = FailureOf(CallKind.Mmap);
                if (failure is not (0 or Failure.Elsewhere))
                    return DarwinSystem.Failed;

                Enter();
                nint result = DarwinSystem.MapNear(failure == Failure.Elsewhere ? 0 : address, length, protection);
                if (result > 0)
                {
                    MappingUse use = protection == 0 || result != address ? MappingUse.Addresses
                        : Space->IsPlaceOfMarks((nuint)address) ? MappingUse.Marks
                        : MappingUse.Memory;
                    s_state->Ledger.Add((nuint)result, (nuint)length, use);
                }

                Leave();
                return result;
            }

            internal static nint Replace(nint address, nint length, int protection)
            {
                if (IsActive)
                {
                    if (FailureOf(CallKind.Madvise) != 0)
                        return DarwinSystem.Failed;

                    Enter();
                    RequireOwn(CallKind.Madvise, (nuint)address, (nuint)length);
                    Leave();
                }

                return DarwinSystem.MapOver(address, length, protection);
            }

            internal static int Unmap(nint address, nint length)
            {
                if (!IsActive)
                    return Emma.Templates.Tests.Libc.Unmap((void*)address, (nuint)length);
                if (FailureOf(CallKind.Munmap) != 0)
                    return DarwinSystem.Failed;

                Enter();
                RequireOwn(CallKind.Munmap, (nuint)address, (nuint)length);
                int result = Emma.Templates.Tests.Libc.Unmap((void*)address, (nuint)length);
                if (result == 0)
                    s_state->Ledger.Remove((nuint)address, (nuint)length);
                Leave();
                return result;
            }

            // What is mapped and what the ledger says change together.
            private static void Enter()
            {
                while (Interlocked.CompareExchange(ref s_state->Lock, 1, 0) != 0)
                    Thread.Yield();
            }

            private static void Leave() => Volatile.Write(ref s_state->Lock, 0);

            private static int FailureOf(CallKind kind)
            {
                int failure = FailureOf(kind, Interlocked.Increment(ref s_state->Counts[(int)kind]));
                if (failure != 0)
                    Interlocked.Increment(ref s_state->Hits);
                return failure;
            }

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
