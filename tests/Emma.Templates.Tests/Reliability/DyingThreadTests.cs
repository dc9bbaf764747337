using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Threads that end at any instruction inside the heap. How many times: EMMA_DEATHS for each act (1; 12 in the long form), at
        /// instructions chosen with EMMA_SEED. Every second act, and all in the long form.
        /// </summary>
        public sealed class DyingThreadTests
        {
            public static TheoryData<string> Acts =>
                [.. Scenarios.Acts.Select(act => act.Name).Where((_, i) => Length.IsLong || i % 2 == 1)];

            public static TheoryData<string> WatchedActs => Length.IsLong ? Acts : ["page runs", "counting"];

            [Theory]
            [MemberData(nameof(Acts))]
            public void A_thread_that_dies_at_any_instruction_neither_locks_others_out_nor_corrupts_the_heap(string act) =>
                ChildProcess.MustSucceed(nameof(Scenarios.ThreadsDie), [("EMMA_ACT", act), .. EachInstruction.QuietRuntime]);

            /// <summary>The host reads figures all the time, under the same locks. All acts in the long form.</summary>
            [Theory]
            [MemberData(nameof(WatchedActs))]
            public void A_thread_that_dies_at_any_instruction_while_a_host_watches_locks_nobody_out(string act) =>
                ChildProcess.MustSucceed(
                    nameof(Scenarios.ThreadsDie), [("EMMA_ACT", act), Scenarios.Watched, .. EachInstruction.QuietRuntime]);
        }
    }
}
