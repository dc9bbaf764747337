using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Heaps that fill the process's table of mappings (vm.max_map_count), with a runtime that is as it is. Each test is a process of
        /// its own, and makes all the mappings that there may be.
        /// </summary>
        [NotOnWindows("there is no table of mappings to be full.")]
        public sealed class SpareMappingTests
        {
            public SpareMappingTests() => Assumption.RealKernel("the table of mappings is the emulator's, too.");

            [Fact]
            public void A_heap_that_has_filled_the_table_of_mappings_throws_and_the_process_lives() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FillTheTable));

            [LongFact]
            public void A_heap_that_has_filled_the_table_of_mappings_returns_null_and_the_process_lives() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FillTheTableWithoutExceptions));

            [LongFact]
            public void Threads_that_fill_the_table_of_mappings_together_get_an_exception_each() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FillTheTableWithThreads));

            [LongFact]
            public void Three_heaps_that_fill_the_table_of_mappings_together_throw_and_the_process_lives() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FillTheTableWithThreeHeaps));

            [LongFact]
            public void Beside_30_000_mappings_of_others_a_heap_throws_and_has_their_room_when_they_are_gone() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FillTheTableBesideOthers));

            // The table is full for as long as a thousand exchanges take: what the runtime compiles anew in the background would not fit.
            [LongFact]
            public void In_a_full_table_a_block_that_is_freed_makes_room_for_another() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ExchangeBlocksInAFullTable), NoCollections.QuietRuntime);

            [Fact]
            public void A_mapping_that_is_refused_for_another_reason_costs_no_spare_mappings() =>
                ChildProcess.MustSucceed(nameof(Scenarios.AskForTooMuch));

            [LongFact]
            public void Whatever_room_there_is_spare_mappings_are_made_or_nothing_is_left_of_them() =>
                ChildProcess.MustSucceed(nameof(Scenarios.MakeSpareMappingsInAnyRoom), NoCollections.QuietRuntime);

            [Fact]
            public void Destroy_unmaps_the_spare_mappings() =>
                ChildProcess.MustSucceed(nameof(Scenarios.DestroySpareMappings));
        }
    }
}
