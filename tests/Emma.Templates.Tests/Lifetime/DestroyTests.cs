using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class DestroyTests : HeapTest
        {
            [AssumesLinux("a page of machine code.")]
            [Fact]
            public void Destroy_unmaps_all_block_memory_and_metadata()
            {
                nuint[] addresses = PluginWork.UseEverything();
                Expect.All(addresses[..^1], address => Expect.True(ProcessMaps.IsMapped(address) || !Owns((void*)address)));
                Destroy();
                Expect.All(addresses[..^1], address => Expect.False(ProcessMaps.IsMapped(address)));
                Expect.True(ProcessMaps.IsMapped(addresses[^1]));
                Expect.Equal(BytesOfEmptyHeap, (nuint)GetStatistics().MappedBytes);
                AssertStatisticsAddUp();
            }

            [Fact]
            public void The_next_allocation_starts_the_heap_afresh_elsewhere()
            {
                void* before = Alloc(64);
                Destroy();
                void* after = Alloc(64);
                Expect.NotEqual((nuint)before, (nuint)after);
                Expect.False(Owns(before));
                Expect.Equal((nuint)64, (nuint)GetStatistics().InUseBytes);
                AssertStatisticsAddUp(after);
            }

            /// <summary>In a process of its own, in which no other heap maps or unmaps anything meanwhile.</summary>
            [Fact]
            public void A_thousand_times_Destroy_leave_nothing_mapped() =>
                ChildProcess.MustSucceed(nameof(Scenarios.DestroyAThousandTimes));

            [Fact]
            public void Random_histories_work_after_every_Destroy()
            {
                for (int seed = 1; seed <= 20; seed++)
                {
                    ShadowModel model = new ShadowModel(seed, 8 << 20);
                    model.Run(100);
                    model.CheckAll();
                    AssertStatisticsAddUp(model.AnyBlock);
                    Destroy();
                }
            }

            [Fact]
            public void Destroy_of_an_empty_heap_and_twice_does_nothing()
            {
                Destroy();
                Destroy();
                Free(Alloc(1));
                Destroy();
                Destroy();
                Expect.Equal(BytesOfEmptyHeap, (nuint)GetStatistics().MappedBytes);
            }

            [Fact]
            public void A_read_through_a_stale_pointer_after_Destroy_ends_the_process()
            {
                (int exitCode, string output) = ChildProcess.Run(nameof(Scenarios.ReadAfterDestroy));
                Expect.NotEqual(0, exitCode);
                Expect.DoesNotContain("read back", output);
            }
        }

        public static partial class Scenarios
        {
            public static void DestroyAThousandTimes()
            {
                Random random = new Random(3);
                int mappings = 0;
                for (int i = 0; i < 1000; i++)
                {
                    for (int j = 0; j < 20; j++)
                        *(byte*)Alloc((nuint)random.Next(1, 200_000)) = 1;
                    *(byte*)Alloc(3 << 20) = 1;
                    Destroy();
                    Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
                    if (i == 100)
                        mappings = MappingsOfHeaps();
                }

                Expect.Equal(mappings, MappingsOfHeaps());
            }

            public static void ReadAfterDestroy()
            {
                byte* block = (byte*)Alloc(100);
                *block = 1;
                Destroy();
                Console.WriteLine($"read back {*block}");
            }

            // Mappings where windows lie: between the program and the libraries.
            private static int MappingsOfHeaps() =>
                ProcessMaps.Read().Count(m => m.Start > unchecked((nuint)(1UL << 44)) && m.End < unchecked((nuint)(5UL << 44)));
        }
    }
}
