using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    /// <summary>A kernel that gives no more: each test is a process of its own, with a limit or a full table of mappings.</summary>
    public sealed class KernelRefusalTests
    {
        // Without a background compiler and with a small collector, the runtime itself needs no mapping in the critical moments.
        private static readonly (string Name, string Value)[] s_quietRuntime =
            [("DOTNET_TieredCompilation", "0"), ("DOTNET_GCHeapHardLimit", "0x8000000"), ("DOTNET_gcConcurrent", "0"), ("DOTNET_EnableWriteXorExecute", "0")];

        [Fact]
        public void Under_an_address_space_limit_allocation_fails_cleanly_and_works_again_after_frees() =>
            ChildProcess.MustSucceed(nameof(Scenarios.RunOutOfAddressSpace), s_quietRuntime);

        [Fact]
        public void Under_an_address_space_limit_free_memory_is_reclaimed_before_allocation_fails() =>
            ChildProcess.MustSucceed(nameof(Scenarios.ReclaimUnderAddressSpaceLimit), s_quietRuntime);

        [Fact]
        public void Under_an_address_space_limit_freed_small_blocks_are_given_up_before_allocation_fails() =>
            ChildProcess.MustSucceed(nameof(Scenarios.ReclaimSmallBlocksUnderAddressSpaceLimit), s_quietRuntime);

        [Fact]
        public void A_range_that_munmap_refuses_is_kept_counted_and_unmapped_later() =>
            ChildProcess.MustSucceed(nameof(Scenarios.FreeWhileMunmapFails), s_quietRuntime);

        [Fact]
        public void Destroy_succeeds_although_munmap_refuses_to_split() =>
            ChildProcess.MustSucceed(nameof(Scenarios.DestroyWhileMunmapFails), s_quietRuntime);

        [Fact]
        public void After_a_Destroy_that_could_not_unmap_all_stale_pointers_are_refused() =>
            ChildProcess.MustSucceed(nameof(Scenarios.DestroyBetweenForeignNeighbours), s_quietRuntime);

        [Fact]
        public void When_mremap_fails_the_block_stays_as_it_was() =>
            ChildProcess.MustSucceed(nameof(Scenarios.ReallocWhileMremapFails), s_quietRuntime);

        [Fact]
        public void When_mremap_fails_nothing_stays_mapped_that_is_not_counted() =>
            ChildProcess.MustSucceed(nameof(Scenarios.CountWhileMremapFails), s_quietRuntime);

        [Fact]
        public void After_a_failed_mremap_Destroy_unmaps_everything() =>
            ChildProcess.MustSucceed(nameof(Scenarios.DestroyAfterMremapFailed), s_quietRuntime);
    }
}
