using System.Runtime.CompilerServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Heaps of plugins: independent while they live, gone without a trace with their load context.</summary>
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class UnloadTests : HeapTest
        {
            /// <summary>Copies of earlier tests go first, so that their code pages are not counted here.</summary>
            public UnloadTests() => FreshCopy.Settle();

            [Fact]
            public void Unloading_unmaps_everything()
            {
                int codePages = ProcessMaps.CodePages().Count;
                AssertGone(FreshCopy.RunAndUnload(nameof(PluginWork.UseEverything)));
                Expect.Equal(codePages, ProcessMaps.CodePages().Count);
            }

            [Fact]
            public void Many_unloads_leave_no_mapping_behind()
            {
                FreshCopy.RunAndUnload(nameof(PluginWork.UseEverything));
                int codePages = ProcessMaps.CodePages().Count;
                for (int i = 0; i < Length.Of(5, 40); i++)
                    AssertGone(FreshCopy.RunAndUnload(i % 10 == 0 ? nameof(PluginWork.UseEverything) : nameof(PluginWork.OneBlock)));
                Expect.Equal(codePages, ProcessMaps.CodePages().Count);
            }

            [Theory]
            [InlineData(nameof(PluginWork.LeaveBlocksToFinalizers))]
            [InlineData(nameof(PluginWork.LeaveBlocksToLateFinalizers))]
            public void Finalizers_of_the_plugin_may_free_until_the_very_end(string method)
            {
                int codePages = ProcessMaps.CodePages().Count;
                for (int i = 0; i < 5; i++)
                    AssertGone(FreshCopy.RunAndUnload(method));
                Expect.Equal(codePages, ProcessMaps.CodePages().Count);
            }

            [Fact]
            public void An_object_of_the_plugin_that_comes_back_to_life_has_its_block_in_the_next_round_of_finalizers()
            {
                AppContext.SetData(PluginWork.StillMapped, null);
                AssertGone(FreshCopy.RunAndUnload(nameof(PluginWork.LeaveABlockToTheNextRound)));
                Expect.Equal(true, AppContext.GetData(PluginWork.StillMapped));
            }

            [Theory]
            [InlineData(nameof(PluginWork.UseEverything))]
            [InlineData(nameof(PluginWork.FirstAllocationOf64Threads))]
            public void A_plugin_works_where_the_process_has_no_POSIX_key_left(string method)
            {
                List<uint> taken = PosixThreads.TakeKeys(uint.MaxValue);
                try
                {
                    AssertGone(FreshCopy.RunAndUnload(method));
                    Expect.Equal(0, PosixThreads.CountFreeKeys());
                }
                finally
                {
                    PosixThreads.GiveKeys(taken);
                }
            }

            [Fact]
            public void A_plugin_that_never_allocates_unloads_without_a_heap()
            {
                int codePages = ProcessMaps.CodePages().Count;
                FreshCopy.RunAndUnload(nameof(PluginWork.Nothing));
                Expect.Equal(codePages, ProcessMaps.CodePages().Count);
            }

            [AssumesLinux("a page of machine code.")]
            [Fact]
            public void Sixty_four_threads_that_allocate_first_together_get_one_heap()
            {
                for (int round = 0; round < Length.Of(2, 10); round++)
                {
                    Expect.Equal(1, CodePagesOfOneRace(out WeakReference alive));
                    FreshCopy.WaitUntilGone(alive);
                }
            }

            [NotOnWindows("there no heap asks whose a block is.")]
            [Fact]
            public void A_block_of_another_heap_is_refused_and_both_heaps_are_named()
            {
                void* pin = Alloc(1);
                FreshCopy other = new FreshCopy();
                foreach (string kind in new[] { nameof(PluginWork.OneBlock), nameof(PluginWork.OneLargeBlock) })
                {
                    void* block = (void*)other.Run(kind)[0];
                    HeapStatistics before = GetStatistics();
                    Action[] calls = [() => Free(block), () => Realloc(block, 10), () => UsableSize(block),
                        () => AlignedRealloc(block, 10, 64)];
                    foreach (Action call in calls)
                    {
                        string message = Expect.Throws<ArgumentException>(call).Message;
                        Expect.StartsWith($"{HeapName}.", message);
                        Expect.Contains($"the heap {HeapName} of {typeof(EmmaHeap).Assembly.GetName().Name}", message);
                    }

                    Expect.False(Owns(block));
                    Expect.Equal(before, GetStatistics());
                }

                other.Unload();
                Free(pin);
            }

            [AssumesLinux("a page of machine code.")]
            [Fact]
            public void Two_heaps_never_notice_each_other()
            {
                FreshCopy other = new FreshCopy();
                void* pin = Alloc(1);
                nuint[] theirs = other.Run(nameof(PluginWork.UseEverything));
                ShadowModel model = new ShadowModel(33, 16 << 20);
                model.Run(500);
                AssertStatisticsAddUp(pin);
                Destroy();
                Expect.All(theirs, address => Expect.True(ProcessMaps.IsMapped(address)));
                *(byte*)theirs[0] = 1;
                other.Unload();
            }

            // Code pages lie where the runtime maps, too: there others may have taken the place, but none may hold a heap's code.
            private static void AssertGone(nuint[] addresses)
            {
                foreach (nuint address in addresses)
                {
                    Mapping? there = ProcessMaps.FindOfHeap(address);
                    Expect.True(there is null, $"0x{address:x} is still mapped: {there}");
                }
            }

            // alive: The copy that was used: one that is collected in the next round would be counted there.
            [MethodImpl(MethodImplOptions.NoInlining)]
            private static int CodePagesOfOneRace(out WeakReference alive)
            {
                int before = ProcessMaps.CodePages().Count;
                FreshCopy copy = new FreshCopy();
                alive = copy.Alive;
                copy.Run(nameof(PluginWork.FirstAllocationOf64Threads));
                int made = ProcessMaps.CodePages().Count - before;
                copy.Unload();
                return made;
            }
        }
    }
}
