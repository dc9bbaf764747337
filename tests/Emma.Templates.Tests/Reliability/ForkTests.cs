using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Processes forked while threads use the heap. How many: EMMA_FORKS (30; 150 in the long form); other moments: EMMA_SEED.
        /// </summary>
        public sealed class ForkTests
        {
            [Fact]
            public void A_child_forked_while_eight_threads_use_the_heap_frees_what_it_inherited_and_allocates() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ForkWhileThreadsUseTheHeap), EachInstruction.QuietRuntime);

            [Fact]
            public void A_child_forked_while_a_host_watches_frees_what_it_inherited_and_allocates() => ChildProcess.MustSucceed(
                nameof(Scenarios.ForkWhileThreadsUseTheHeap), [Scenarios.Watched, .. EachInstruction.QuietRuntime]);

            [Fact]
            public void The_cache_of_the_thread_that_forked_stays_its_own_in_the_child() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ForkAndKeepTheCache), EachInstruction.QuietRuntime);

            /// <summary>The scenario prints how long it took; what is held is that the child hardly sleeps.</summary>
            [Fact]
            public void A_child_takes_over_ten_locks_of_threads_that_are_gone_and_sleeps_once_at_most() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ForkBesideTenHeldLocks), EachInstruction.QuietRuntime);
        }
    }
}
