using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What a new thread costs does not depend on how many there are.</summary>
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class ManyThreadsTests : FewCachesTest
        {
            private const int Living = 300;
            private const int StackBytes = 128 * 1024;

            [Fact]
            public void A_new_threads_first_allocation_asks_for_a_few_owners_whatever_number_of_threads_lives()
            {
                using var ready = new CountdownEvent(Living);
                using var done = new ManualResetEventSlim();
                using FaultyKernel kernel = new FaultyKernel();
                Thread[] threads = [.. Enumerable.Range(0, Living).Select(_ => Start(() =>
                {
                    Free(Alloc(64));
                    ready.Signal();
                    done.Wait();
                }))];
                ready.Wait();

                long most = 0;
                for (int i = 0; i < 20; i++)
                {
                    Start(() =>
                    {
                        long before = kernel.CountOf(CallKind.TgKill);
                        Free(Alloc(64));
                        most = Math.Max(most, kernel.CountOf(CallKind.TgKill) - before);
                    }).Join();
                }

                done.Set();
                foreach (Thread thread in threads)
                    thread.Join();
                Expect.InRange(most, 0, 8);
            }

            /// <summary>Each dead thread's cache is found by one of the threads that come after it, a few at a time.</summary>
            [Fact]
            public void The_caches_of_many_dead_threads_serve_those_that_come_after_them()
            {
                using var ready = new CountdownEvent(Living);
                using var done = new ManualResetEventSlim();
                Thread[] threads = [.. Enumerable.Range(0, Living).Select(_ => Start(() =>
                {
                    Free(Alloc(64));
                    ready.Signal();
                    done.Wait();
                }))];
                ready.Wait();
                int caches = CacheInternals.Count;
                done.Set();
                foreach (Thread thread in threads)
                    thread.Join();

                for (int i = 0; i < Living; i++)
                    Start(() => Free(Alloc(64))).Join();
                // To the kernel the last ones may live on for a moment after they have been joined.
                Expect.InRange(CacheInternals.Count, caches, caches + 8);
            }

            private static Thread Start(ThreadStart body)
            {
                Thread thread = new Thread(body, StackBytes);
                thread.Start();
                return thread;
            }
        }
    }
}
