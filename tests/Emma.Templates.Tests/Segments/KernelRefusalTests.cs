using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>A kernel that gives no more: each test is a process of its own, with a limit or a full table of mappings.</summary>
        public sealed class KernelRefusalTests
        {
            [Fact]
            public void Under_an_address_space_limit_allocation_fails_cleanly_and_works_again_after_frees() =>
                ChildProcess.MustSucceed(nameof(Scenarios.RunOutOfAddressSpace), NoCollections.QuietRuntime);

            [Fact]
            public void Under_an_address_space_limit_free_memory_is_reclaimed_before_allocation_fails() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ReclaimUnderAddressSpaceLimit), NoCollections.QuietRuntime);

            [Fact]
            public void Under_an_address_space_limit_freed_small_blocks_are_given_up_before_allocation_fails() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ReclaimSmallBlocksUnderAddressSpaceLimit), NoCollections.QuietRuntime);

            [Fact]
            public void A_range_that_munmap_refuses_is_kept_counted_and_unmapped_later() =>
                ChildProcess.MustSucceed(nameof(Scenarios.FreeWhileMunmapFails), NoCollections.QuietRuntime);

            [Fact]
            public void Destroy_succeeds_although_munmap_refuses_to_split() =>
                ChildProcess.MustSucceed(nameof(Scenarios.DestroyWhileMunmapFails), NoCollections.QuietRuntime);

            [NotOnWindows("Linux refuses where the table of mappings is full.")]
            [Fact]
            public void After_a_Destroy_that_could_not_unmap_all_stale_pointers_are_refused() =>
                ChildProcess.MustSucceed(nameof(Scenarios.DestroyBetweenForeignNeighbours), NoCollections.QuietRuntime);

            [Fact]
            public void When_mremap_fails_the_block_stays_as_it_was() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ReallocWhileMremapFails), NoCollections.QuietRuntime);

            [Fact]
            public void When_mremap_fails_nothing_stays_mapped_that_is_not_counted() =>
                ChildProcess.MustSucceed(nameof(Scenarios.CountWhileMremapFails), NoCollections.QuietRuntime);

            [Fact]
            public void After_a_failed_mremap_Destroy_unmaps_everything() =>
                ChildProcess.MustSucceed(nameof(Scenarios.DestroyAfterMremapFailed), NoCollections.QuietRuntime);
        }
    }
}
