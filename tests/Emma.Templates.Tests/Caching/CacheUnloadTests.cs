using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Plugins that leave with caches full, and what they leave behind: nothing.</summary>
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class CacheUnloadTests : HeapTest
        {
            /// <summary>
            /// Copies of earlier tests go first and this heap has started, so that their code pages and keys are not counted here.
            /// </summary>
            public CacheUnloadTests()
            {
                HeapState.EnsureRunning();
                FreshCopy.Settle();
            }

            /// <summary>Several at once, in the long form more than there are fast keys, and then one after another.</summary>
            [Fact]
            public void After_many_unloads_with_full_caches_and_finalizers_that_free_nothing_is_left()
            {
                int codePages = ProcessMaps.CodePages().Count;
                int keys = PosixThreads.CountFreeKeys();
                int fast = UseAtOnceAndUnload(Length.Of(4, 40));
                int least = Assumption.HasThreadWords ? 1 : 0;
                Expect.InRange(fast, least, least * ThreadWordTests.FastKeys);
                Expect.Equal(keys, PosixThreads.CountFreeKeys());
                for (int i = 0; i < Length.Of(2, 10); i++)
                    Expect.Equal(least, UseAtOnceAndUnload(1));
                Expect.Equal(codePages, ProcessMaps.CodePages().Count);
                Expect.Equal(keys, PosixThreads.CountFreeKeys());
            }

            [Fact]
            public void A_thread_of_the_host_that_served_one_plugin_begins_without_a_cache_in_the_next()
            {
                int keys = PosixThreads.CountFreeKeys();
                Crew.RunOne(() =>
                {
                    for (int i = 0; i < Length.Of(2, 5); i++)
                    {
                        List<nuint[]> results = CacheCopy
                            .RunAndLetGo(1, nameof(CachePluginWork.UseThisThread), out List<WeakReference> contexts);
                        CacheCopy.WaitUntilGone(contexts);
                        AssertGone(results[0]);
                    }
                });
                Expect.Equal(keys, PosixThreads.CountFreeKeys());
            }

            // Returns: How many of the heaps found their caches by machine code.
            private static int UseAtOnceAndUnload(int count)
            {
                const string method = nameof(CachePluginWork.LeaveFullCachesAndBlocksToFinalizers);
                List<nuint[]> results = CacheCopy.RunAndLetGo(count, method, out List<WeakReference> contexts);
                CacheCopy.WaitUntilGone(contexts);
                AssertGone(results.SelectMany(result => result[1..]));
                return results.Count(result => result[0] != 0);
            }

            // Code pages lie where the runtime maps, too: there others may have taken the place, but none may hold a heap's code.
            private static void AssertGone(IEnumerable<nuint> addresses)
            {
                List<Mapping> maps = ProcessMaps.Read();
                foreach (nuint address in addresses)
                {
                    Mapping? there = maps.Find(mapping => mapping.Contains(address));
                    bool isHeaps = there is not null && (there.IsCodePage || address < unchecked((nuint)(6UL << 44)));
                    Expect.False(isHeaps, $"0x{address:x} is still mapped: {there}");
                }
            }
        }
    }
}
