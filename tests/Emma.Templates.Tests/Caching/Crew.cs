using System.Runtime.ExceptionServices;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Threads of a test's own. What one of them throws is thrown by the test.
        private static class Crew
        {
            private const int StackBytes = 256 * 1024;

            private static CancellationTokenSource s_failed = new CancellationTokenSource();

            // Runs a body on so many new threads at once, and waits until all have ended, in the kernel's eyes too.
            internal static void Run(int count, Action<int> body)
            {
                HeapState.EnsureRunning();
                Exception? failure = null;
                s_failed = new CancellationTokenSource();
                Thread[] threads = new Thread[count];
                int[] ids = new int[count];
                for (int i = 0; i < count; i++)
                {
                    int number = i;
                    threads[i] = new Thread(() => Attempt(number), StackBytes);
                    threads[i].Start();
                }

                foreach (Thread thread in threads)
                    thread.Join();
                foreach (int id in ids)
                    AwaitEnd(id);
                if (failure is not null)
                    ExceptionDispatchInfo.Throw(failure);

                void Attempt(int number)
                {
                    ids[number] = CurrentThread.Id;
                    try
                    {
                        body(number);
                    }
                    catch (Exception exception)
                    {
                        Interlocked.CompareExchange(ref failure, exception, null);
                        s_failed.Cancel();
                    }
                }
            }

            // Runs a body on a new thread.
            internal static void RunOne(Action body) => Run(1, _ => body());

            // Waits for the others, or until one of the crew fails.
            internal static void Meet(Barrier barrier) =>
                barrier.SignalAndWait(s_failed.Token);

            // A joined thread may still be on its way out.
            private static void AwaitEnd(int id)
            {
                while (!KernelThreads.IsDead(KernelThreads.ProcessId(), id))
                    Thread.Yield();
            }
        }
    }
}
