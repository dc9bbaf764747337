using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class LockTests : IDisposable
        {
            private readonly Lock* _lock;

            public LockTests()
            {
                Prepare();
                _lock = (Lock*)NativeMemory.AllocZeroed((nuint)sizeof(Lock));
            }

            public void Dispose() => NativeMemory.Free(_lock);

            private int Owner => Volatile.Read(ref *(int*)_lock);

            private int Flag => Volatile.Read(ref *((int*)_lock + 2));

            [Fact]
            public void A_lock_names_its_owner_and_is_zero_when_free()
            {
                Expect.Equal(2 * sizeof(long), sizeof(Lock));
                _lock->Acquire();
                Expect.Equal(KernelThreads.CurrentId(), Owner);
                Expect.True(_lock->IsHeld);
                _lock->Release();
                Expect.Equal(0, Owner);
                Expect.False(_lock->IsHeld);
            }

            [Fact]
            public void TryAcquire_fails_while_another_thread_holds_the_lock()
            {
                _lock->Acquire();
                bool taken = true;
                bool heldThere = true;
                Thread other = new Thread(() =>
                {
                    taken = _lock->TryAcquire();
                    heldThere = _lock->IsHeld;
                });
                other.Start();
                other.Join();
                _lock->Release();
                Expect.False(taken);
                Expect.False(heldThere);
                Expect.True(_lock->TryAcquire());
                _lock->Release();
            }

            [Fact]
            public void A_waiter_sleeps_and_is_woken()
            {
                _lock->Acquire();
                Thread waiter = new Thread(() =>
                {
                    _lock->Acquire();
                    _lock->Release();
                });
                waiter.Start();
                Patience.Until(() => Flag != 0, "Flag != 0");
                _lock->Release();
                Patience.Join(waiter, "waiter ends");
                Expect.Equal(0, Owner);
                Expect.Equal(0, Flag);
            }

            [Fact]
            public void A_dead_owners_lock_is_taken_over_by_one_of_those_who_wait_and_it_is_told()
            {
                Thread owner = new Thread(() => _lock->Acquire());
                owner.Start();
                owner.Join();
                int told = 0;
                Threads.Run(4, _ =>
                {
                    if (_lock->Acquire())
                        Interlocked.Increment(ref told);
                    _lock->Release();
                });
                Expect.Equal(1, told);
                Expect.False(_lock->Acquire());
                _lock->Release();
                Expect.Equal(0, Flag);
            }

            [Fact]
            public void An_owner_that_dies_while_others_sleep_is_noticed()
            {
                using var waiting = new ManualResetEventSlim();
                Thread owner = new Thread(() =>
                {
                    _lock->Acquire();
                    waiting.Wait();
                });
                owner.Start();
                Patience.Until(() => Owner != 0, "Owner != 0");
                bool told = false;
                Thread waiter = new Thread(() =>
                {
                    told = _lock->Acquire();
                    _lock->Release();
                });
                waiter.Start();
                Patience.Until(() => Flag != 0, "Flag != 0");
                waiting.Set();
                Patience.Join(waiter, "waiter ends");
                Expect.True(told);
            }

            [Fact]
            public void A_lock_that_bears_the_callers_own_id_was_a_dead_predecessors()
            {
                *(int*)_lock = KernelThreads.CurrentId();
                Expect.True(_lock->Acquire());
                _lock->Release();
                Expect.Equal(0, Owner);
            }

            [Fact]
            public void Eight_threads_exclude_each_other()
            {
                const int threads = 8;
                const int rounds = 20_000;
                long counter = 0;
                int inside = 0;
                int intruders = 0;
                Thread[] all = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
                {
                    for (int i = 0; i < rounds; i++)
                    {
                        _lock->Acquire();
                        if (Interlocked.Increment(ref inside) != 1)
                            Interlocked.Increment(ref intruders);
                        counter++;
                        if (i % 1000 == 0)
                            Thread.Yield();
                        Interlocked.Decrement(ref inside);
                        _lock->Release();
                    }
                })).ToArray();
                Array.ForEach(all, thread => thread.Start());
                Array.ForEach(all, thread => thread.Join());
                Expect.Equal(0, intruders);
                Expect.Equal((long)threads * rounds, counter);
                Expect.Equal(0, Owner);
            }
        }
    }
}
