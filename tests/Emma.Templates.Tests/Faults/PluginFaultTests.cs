using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Plugins whose heaps met failing calls while they ran.</summary>
        public sealed class PluginFaultTests : HeapTest
        {
            /// <summary>Copies of earlier tests go first, so that their code pages are not counted here.</summary>
            public PluginFaultTests() => FreshCopy.Settle();

            [Fact]
            public void A_plugin_that_met_faults_and_kept_its_blocks_unloads_without_a_trace()
            {
                int codePages = ProcessMaps.CodePages().Count;
                for (int i = 0; i < 3; i++)
                {
                    nuint[] addresses = FreshCopy.RunAndUnload(nameof(FaultWork.UseTheHeapUnderFaults), typeof(FaultWork).FullName!);
                    Expect.True(addresses.Length > 10, $"{addresses.Length} mappings");
                    List<Mapping> maps = ProcessMaps.Read();
                    // Others may have mapped where the kernel had chosen the place.
                    Expect.All(addresses.Where(address => address < unchecked((nuint)(6UL << 44))), address => Expect
                        .DoesNotContain(maps, mapping => mapping.Contains(address)));
                }

                Expect.Equal(codePages, ProcessMaps.CodePages().Count);
            }
        }

        /// <summary>What copies of the heap do under faults, in load contexts of their own.</summary>
        public static class FaultWork
        {
            /// <summary>Uses the heap under each kind of fault and leaves much of it live.</summary>
            /// <returns>An address in each of its mappings.</returns>
            public static nuint[] UseTheHeapUnderFaults()
            {
                using var kernel = new FaultyKernel();
                foreach (CallKind kind in new[] { CallKind.Mmap, CallKind.Munmap, CallKind.Mremap, CallKind.Madvise })
                {
                    kernel.Begin(new Fault(kind, 2, Failure.NoMemory, Lasts: true));
                    new FaultRun(kernel, $"{kind} fails").Run();
                }

                kernel.Clear();
                new FaultRun(kernel, "after faults").RunHalf();
                kernel.Begin(new Fault(CallKind.Munmap, 1, Failure.NoMemory, Lasts: true));
                Trim();
                kernel.Clear();
                return kernel.Mapped.Starts();
            }
        }
    }
}
