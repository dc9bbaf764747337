using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The word of each thread that leads to its cache, and heaps for which there is none.</summary>
        [Trait("Runs", "Everywhere")]
        public sealed class ThreadWordTests : HeapTest
        {
            // The keys whose values lie in the thread control block.
            internal const int FastKeys = 32;

            /// <summary>Copies of earlier tests go first and this heap has started, so that their keys are not counted here.</summary>
            public ThreadWordTests()
            {
                HeapState.EnsureRunning();
                FreshCopy.Settle();
            }

            [Theory]
            [InlineData(0, 1)]
            [InlineData(FastKeys, 0)]
            public void A_heap_stands_everything_whether_there_is_a_fast_key_or_none(int keysTaken, int machineCode)
            {
                List<uint> taken = PosixThreads.TakeKeys((uint)keysTaken);
                try
                {
                    int keys = PosixThreads.CountFreeKeys();
                    nuint expected = Assumption.HasThreadWords ? (nuint)machineCode : 0;
                    Expect.Equal(expected, UseAndUnload(nameof(CachePluginWork.UseThoroughly)));
                    Expect.Equal(keys, PosixThreads.CountFreeKeys());
                }
                finally
                {
                    PosixThreads.GiveKeys(taken);
                }
            }

            [Fact]
            public void A_heap_for_which_the_process_has_no_key_at_all_works()
            {
                List<uint> taken = PosixThreads.TakeKeys(uint.MaxValue);
                try
                {
                    Expect.Equal((nuint)0, UseAndUnload(nameof(CachePluginWork.UseALittle)));
                    Expect.Equal(0, PosixThreads.CountFreeKeys());
                }
                finally
                {
                    PosixThreads.GiveKeys(taken);
                }
            }

            [Fact]
            public void Threads_begin_without_a_cache_and_keep_the_one_they_get()
            {
                Crew.Run(8, _ =>
                {
                    Expect.True(SmallBlocks.CurrentCache == null);
                    Free(Alloc(1));
                    nuint cache = (nuint)SmallBlocks.CurrentCache;
                    Expect.NotEqual((nuint)0, cache);
                    for (int i = 0; i < 1000; i++)
                    {
                        Free(Alloc((nuint)i * 10));
                        Expect.Equal(cache, (nuint)SmallBlocks.CurrentCache);
                    }

                    Expect.Equal(CurrentThread.Id, CacheOwner.IdIn(((ThreadCache*)cache)->Owner.Word));
                });
            }

            // Returns: 1 if the heap found its caches by machine code.
            private static nuint UseAndUnload(string method)
            {
                List<nuint[]> results = CacheCopy.RunAndLetGo(1, method, out List<WeakReference> contexts);
                CacheCopy.WaitUntilGone(contexts);
                return results[0][0];
            }
        }
    }
}
