using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What threads rely on that share a lock, each promise at the instant at which it matters.</summary>
        public sealed class LockProtocolTests : IDisposable
        {
            private const int MostWaits = 10;

            private readonly Lock* _lock;

            public LockProtocolTests()
            {
                Prepare();
                _lock = (Lock*)NativeMemory.AllocZeroed((nuint)sizeof(Lock));
            }

            private ref long Owner => ref *(long*)_lock;

            private int Flag => Volatile.Read(ref *((int*)_lock + 2));

            public void Dispose() => NativeMemory.Free(_lock);

            [Fact]
            public void Whoever_is_about_to_sleep_says_so_then_has_every_processor_pass_a_barrier_and_then_looks_again()
            {
                using var end = new ManualResetEventSlim();
                Thread owner = new Thread(() =>
                {
                    _lock->Acquire();
                    end.Wait();
                });
                owner.Start();
                Patience.Until(() => Owner != 0, "the lock has an owner");
                int waits = 0;
                bool told = true;
                HeldThread waiter;
                using (new KernelWatch(call =>
                {
                    if (!call.IsFutexWait)
                        return null;
                    waits++;
                    Owner = 0;
                    return KernelWatch.TimedOut;
                }))
                {
                    waiter = new HeldThread(Seccomp.TrapBarriers, () => told = _lock->Acquire());
                    bool stands = waiter.AwaitStand();
                    int flag = Flag;
                    // The owner gives the lock back, and its processor had read before that nobody sleeps.
                    Owner = 0;
                    waiter.LetGo();
                    end.Set();
                    owner.Join();
                    Expect.True(stands, "no barrier");
                    Expect.Equal(1, flag);
                }

                Expect.Equal(0, waits);
                Expect.False(told);
                Expect.NotEqual(0, Owner);
            }

            [Fact]
            public void Whoever_gives_a_lock_back_wakes_each_thread_that_said_so_before_the_lock_was_free() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ReleaseBesideSleepers), EachInstruction.QuietRuntime);

            [Fact]
            public void Threads_to_which_the_kernel_gave_one_id_have_different_names()
            {
                const int id = 4711;
                const int threads = 4;
                HashSet<int> own = [];
                HashSet<long> names = [];
                using KernelWatch watch = new KernelWatch(call => call.Number == X64.GetTid
                    && own.Contains(Environment.CurrentManagedThreadId) ? id : null);
                for (int i = 0; i < threads; i++)
                {
                    Thread thread = new Thread(() =>
                    {
                        own.Add(Environment.CurrentManagedThreadId);
                        names.Add(CurrentThread.Name);
                        Expect.Equal(id, CurrentThread.Id);
                    });
                    thread.Start();
                    thread.Join();
                }

                Expect.Equal(threads, names.Count);
            }

            [Fact]
            public void An_owner_that_lives_keeps_its_lock_however_long_another_waits()
            {
                _lock->Acquire();
                long owner = Owner;
                int asked = 0;
                List<long> owners = [];
                bool told = Wait(
                    _ =>
                    {
                        asked++;
                        return null;
                    },
                    () =>
                    {
                        owners.Add(Owner);
                        if (owners.Count == MostWaits)
                            Owner = 0;
                    });
                Expect.Equal(Enumerable.Repeat(owner, MostWaits), owners);
                Expect.Equal(MostWaits - 1, asked);
                Expect.False(told);
            }

            [Fact]
            public void Whoever_waits_asks_for_the_owner_after_each_short_sleep_and_takes_the_lock_when_it_is_dead()
            {
                const int asksWhileAlive = 3;
                _lock->Acquire();
                int asked = 0;
                int waits = 0;
                bool others = false;
                bool told = Wait(
                    id =>
                    {
                        others |= id != CurrentThread.IdIn(Owner);
                        return ++asked > asksWhileAlive ? KernelWatch.NoSuchProcess : 0;
                    },
                    () =>
                    {
                        if (++waits == MostWaits)
                            Owner = 0;
                    });
                Expect.False(others, "another thread was asked for");
                Expect.Equal(asksWhileAlive + 1, asked);
                Expect.Equal(asksWhileAlive + 1, waits);
                Expect.True(told);
            }

            [Fact]
            public void Whoever_was_woken_does_not_ask_for_the_owner()
            {
                _lock->Acquire();
                int asked = 0;
                int waits = 0;
                Wait(
                    _ =>
                    {
                        asked++;
                        return null;
                    },
                    () =>
                    {
                        if (++waits == MostWaits)
                            Owner = 0;
                    },
                    result: 0);
                Expect.Equal(MostWaits, waits);
                Expect.Equal(0, asked);
            }

            [Fact]
            public void Whoever_sleeps_does_so_on_the_flag_which_it_has_raised_anew()
            {
                _lock->Acquire();
                List<int> flags = [];
                Wait(
                    _ => null,
                    () =>
                    {
                        flags.Add(Flag);
                        // Another thread is woken, by an owner that took the lock and gave it back.
                        ((int*)_lock)[2] = 0;
                        if (flags.Count == MostWaits)
                            Owner = 0;
                    });
                Expect.Equal(Enumerable.Repeat(1, MostWaits), flags);
                Expect.Equal(0, Flag);
            }

            [Fact]
            public void In_a_forked_child_only_the_first_dead_lock_costs_a_sleep() =>
                ChildProcess.MustSucceed(nameof(Scenarios.DeadLocksInAnotherProcess));

            [Fact]
            public void A_dead_owners_lock_is_not_taken_from_whoever_took_it_over_meanwhile()
            {
                long living = CurrentThread.Name;
                Thread dying = new Thread(() => _lock->Acquire());
                dying.Start();
                dying.Join();
                int dead = CurrentThread.IdIn(Owner);
                long atWait = 0;
                bool told = Wait(
                    id =>
                    {
                        if (id != dead)
                            return null;
                        Owner = living;
                        return KernelWatch.NoSuchProcess;
                    },
                    () =>
                    {
                        if (CurrentThread.IdIn(Owner) == dead)
                            return;
                        atWait = Owner;
                        Owner = 0;
                    });
                Expect.Equal(living, atWait);
                Expect.False(told);
            }

            // Has another thread take the lock and give it back.
            // asked: What the kernel says of a thread that it is asked for; null: the truth.
            // waits: Called instead of each sleep.
            // result: What the kernel says of each sleep: that its time is up.
            // Returns: What the other thread was told.
            private bool Wait(Func<int, nint?> asked, Action waits, nint result = KernelWatch.TimedOut)
            {
                bool told = false, elsewhere = false, tooLong = false;
                Thread waiter = new Thread(() =>
                {
                    told = _lock->Acquire();
                    _lock->Release();
                });
                using (new KernelWatch(call =>
                {
                    if (Environment.CurrentManagedThreadId != waiter.ManagedThreadId)
                        return null;
                    if (call.AskedFor != 0)
                        return asked(call.AskedFor);
                    if (!call.IsFutexWait)
                        return null;
                    elsewhere |= !call.IsSleepOn(_lock) || call.C != 1;
                    tooLong |= call.D == 0 || ((long*)call.D)[0] != 0;
                    waits();
                    return result;
                }))
                {
                    waiter.Start();
                    waiter.Join();
                }

                Expect.Equal(0, Owner);
                Expect.False(elsewhere);
                Expect.False(tooLong, "a sleep of a second or more");
                return told;
            }
        }

        public static partial class Scenarios
        {
            /// <summary>The process's id changes, as in a forked child, where none of the locks' owners is.</summary>
            public static void DeadLocksInAnotherProcess()
            {
                const int locks = 10;
                Prepare();
                Lock* theLock = (Lock*)NativeMemory.AllocZeroed((nuint)sizeof(Lock));
                Thread owner = new Thread(() => theLock->Acquire());
                owner.Start();
                owner.Join();
                long dead = *(long*)theLock;
                int waits = 0;
                _ = CurrentThread.Name;
                using (new KernelWatch(call =>
                {
                    waits += call.IsFutexWait ? 1 : 0;
                    return call.IsFutexWait ? KernelWatch.TimedOut
                        : call.Number == X64.GetPid ? Environment.ProcessId + 1
                        : null;
                }))
                {
                    for (int i = 0; i < locks; i++)
                    {
                        *(long*)theLock = dead;
                        Expect.True(theLock->Acquire());
                        theLock->Release();
                    }
                }

                Expect.Equal(1, waits);
            }

            /// <summary>
            /// An owner gives the lock back, stepped: at one instruction after the other, another thread says that it is about to sleep.
            /// </summary>
            public static void ReleaseBesideSleepers()
            {
                LockSteps.Begin();
                // What waking takes is compiled.
                LockSteps.Flag = 1;
                LockSteps.s_lock->Acquire();
                LockSteps.s_lock->Release();
                do
                {
                    LockSteps.s_chosen++;
                    LockSteps.s_steps = 0;
                    LockSteps.s_wakes = 0;
                    LockSteps.s_sleeps = false;
                    LockSteps.Flag = 0;
                    LockSteps.s_lock->Acquire();
                    EachInstruction.Run(&LockSteps.SayAtChosenStep, () => LockSteps.s_lock->Release());
                    // It sleeps by then, or finds the flag lowered when it is about to.
                    Expect.True(
                        (LockSteps.s_wakes == 1 && LockSteps.s_isLowered) || !LockSteps.s_sleeps,
                        $"not woken at step {LockSteps.s_chosen}");
                }
                while (LockSteps.s_sleeps);

                Expect.True(LockSteps.s_chosen > 1);
            }

            private static class LockSteps
            {
                internal static Lock* s_lock;
                internal static int s_chosen, s_steps, s_wakes;
                internal static bool s_sleeps, s_isLowered;

                internal static ref int Flag => ref *((int*)s_lock + 2);

                internal static void Begin()
                {
                    Prepare();
                    s_lock = (Lock*)NativeMemory.AllocZeroed((nuint)sizeof(Lock));
                }

                internal static void SayAtChosenStep(InterruptedThread* thread)
                {
                    if (++s_steps == s_chosen && Volatile.Read(ref *(long*)s_lock) != 0)
                    {
                        Flag = 1;
                        s_sleeps = true;
                    }

                    if (thread->NextSystemCall == X64.Futex)
                    {
                        s_wakes++;
                        s_isLowered = Flag == 0;
                    }
                }
            }
        }
    }
}
