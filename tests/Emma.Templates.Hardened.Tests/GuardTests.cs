using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Inaccessible pages among those of segments: by markers, where the kernel that runs the tests has them, and by mappings, on a
        /// kernel that is made to seem older. Each test is a process of its own.
        /// </summary>
        public sealed class GuardTests
        {
            private static readonly (string Name, string Value) s_oldKernel = (OldKernel.Variable, "1");

            // A thread that is gone for the kernel alone would keep the collector waiting; so would the compiler's own threads, in a forked
            // process.
            private static readonly (string Name, string Value)[] s_withoutCollections =
                [("DOTNET_TieredCompilation", "0"), ("DOTNET_GCgen0size", "0x40000000"), ("DOTNET_gcConcurrent", "0")];

            [Fact]
            public void What_nobody_uses_of_a_segment_is_inaccessible() => ChildProcess.MustSucceed(nameof(Scenarios.GuardsAreClosed));

            [Fact]
            public void What_nobody_uses_of_a_segment_is_inaccessible_without_markers_too() =>
                ChildProcess.MustSucceed(nameof(Scenarios.GuardsAreClosed), s_oldKernel);

            [Fact]
            public void Without_markers_a_bounded_number_of_segments_is_guarded() =>
                ChildProcess.MustSucceed(nameof(Scenarios.GuardsByMappingsAreBounded));

            [Fact]
            public void Blocks_are_to_be_had_and_used_whatever_changes_of_protection_the_kernel_refuses() =>
                ChildProcess.MustSucceed(nameof(Scenarios.GuardsAreRefused));

            [Fact]
            public void Pages_that_cannot_be_opened_are_not_handed_out_before_they_can_be() =>
                ChildProcess.MustSucceed(nameof(Scenarios.OpeningIsRefused));

            [Fact]
            public void Blocks_are_to_be_had_and_used_while_the_table_of_mappings_is_full() =>
                ChildProcess.MustSucceed(nameof(Scenarios.GuardsMeetAFullTableOfMappings), NoCollections.QuietRuntime);

            [Theory]
            [InlineData("one block", 1, 12)]
            [InlineData("magazines", 1, 2)]
            [InlineData("trimming", 1, 6)]
            public void A_thread_that_dies_while_it_opens_or_closes_pages_neither_locks_others_out_nor_corrupts_the_heap(
                string act, int deaths, int deathsInFull) =>
                ChildProcess.MustSucceed(
                    nameof(Scenarios.ThreadsDie),
                    [("EMMA_ACT", act), ("EMMA_DEATHS", $"{Length.Of(deaths, deathsInFull)}"), s_oldKernel, .. s_withoutCollections]);

            [Fact]
            public void A_forked_child_has_the_guards_of_its_parent_and_its_own_from_then_on() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ForkWhileThreadsUseTheHeap), [s_oldKernel, .. s_withoutCollections]);
        }
    }
}
