using System.Diagnostics;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// The system calls on threads and processes: raw results and errors of the real kernel, in both ways to reach it.
        /// </summary>
        [Trait("Runs", "Everywhere")]
        public sealed class ThreadSyscallTests
        {
            // Milliseconds.
            private const int Milliseconds = 10_000;

            public static TheoryData<KernelAccess> Ways => new(KernelAccess.Trampolines, KernelAccess.Libc);

            [Theory]
            [MemberData(nameof(Ways))]
            public void GetPid_and_GetTid_name_this_process_and_this_thread(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                Expect.Equal(Environment.ProcessId, Syscalls.GetPid());
                Expect.True(Directory.Exists($"/proc/self/task/{Syscalls.GetTid()}"));
                Expect.Equal(Syscalls.GetTid(), Syscalls.GetTid());
                Expect.NotEqual(Syscalls.GetTid(), TidOfEndedThread());
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void TgKill_tells_the_living_from_the_dead(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                int pid = Syscalls.GetPid();
                Expect.Equal(0, Syscalls.TgKill(pid, Syscalls.GetTid(), 0));
                int dead = TidOfEndedThread();
                // Join returns a little before the kernel has forgotten the thread.
                Patience.Until(() => Syscalls.TgKill(pid, dead, 0) == -Syscalls.ErrorNoSuchProcess,
                    "Syscalls.TgKill(pid, dead, 0) == -Syscalls.ErrorNoSuchProcess");
                Expect.Equal(-Failure.Invalid, Syscalls.TgKill(pid, Syscalls.GetTid(), 12345));
                Expect.Equal(-Failure.Invalid, Syscalls.TgKill(0, 0, 0));
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void FutexWait_sleeps_no_longer_than_it_is_told(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                const int timedOut = 110;
                int word = 3;
                long begin = Stopwatch.GetTimestamp();
                Expect.Equal(-timedOut, Syscalls.FutexWait(&word, 3, 1100));
                Expect.True(Stopwatch.GetElapsedTime(begin).TotalMilliseconds >= 1100);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void FutexWait_returns_at_once_when_the_word_has_changed(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                int word = 3;
                Expect.Equal(-Failure.Again, Syscalls.FutexWait(&word, 4, Milliseconds));
                Expect.Equal(-Failure.Invalid, Syscalls.FutexWait((int*)((byte*)&word + 1), 3, Milliseconds));
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void FutexWake_wakes_one_sleeper_and_counts_it(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                int* word = (int*)NativeMemory.AllocZeroed(sizeof(int));
                Expect.Equal(0, Syscalls.FutexWake(word, 1));

                nint result = 1;
                Thread sleeper = new Thread(() => result = Syscalls.FutexWait(word, 0, Milliseconds));
                sleeper.Start();
                Patience.Until(() => Syscalls.FutexWake(word, 1) == 1, "Syscalls.FutexWake(word, 1) == 1");
                sleeper.Join();
                Expect.Equal(0, result);
                NativeMemory.Free(word);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Membarrier_answers_queries_and_refuses_unknown_commands(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                Expect.True(Syscalls.Membarrier(0) >= 0);
                Expect.Equal(-Failure.Invalid, Syscalls.Membarrier(1 << 30));
            }

            [Fact]
            public void An_error_of_libc_does_not_leak_into_the_next_call()
            {
                using var mode = new KernelMode(KernelAccess.Libc);
                Expect.Equal(-Failure.Invalid, Syscalls.Membarrier(1 << 30));
                Expect.Equal(Environment.ProcessId, Syscalls.GetPid());
                Expect.Equal(0, Syscalls.TgKill(Syscalls.GetPid(), Syscalls.GetTid(), 0));
            }

            [Fact]
            public void Errors_come_back_as_themselves_while_the_collector_interrupts()
            {
                foreach (KernelAccess way in new[] { KernelAccess.Trampolines, KernelAccess.Libc })
                {
                    using var mode = new KernelMode(way);
                    using var stop = new CancellationTokenSource();
                    Thread collector = new Thread(() =>
                    {
                        while (!stop.IsCancellationRequested)
                            GC.Collect(0);
                    });
                    collector.Start();
                    int word = 3;
                    int wrong = 0;
                    for (int i = 0; i < Length.Of(200, 20_000); i++)
                    {
                        if (Syscalls.FutexWait(&word, 4, Milliseconds) != -Failure.Again)
                            wrong++;
                    }

                    stop.Cancel();
                    collector.Join();
                    Expect.Equal(0, wrong);
                }
            }

            private static int TidOfEndedThread()
            {
                int tid = 0;
                Thread thread = new Thread(() => tid = Syscalls.GetTid());
                thread.Start();
                thread.Join();
                return tid;
            }
        }
    }
}
