using System.Collections.Concurrent;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class ShadowModelTests : HeapTest
        {
            public static TheoryData<int> Seeds => new(Enumerable.Range(1, Length.Of(2, 8)));

            [Theory]
            [MemberData(nameof(Seeds))]
            public void Random_use_by_one_thread_keeps_every_byte_of_every_block(int seed)
            {
                ShadowModel model = new ShadowModel(seed, 48 << 20);
                for (int round = 0; round < 8; round++)
                {
                    model.Run(400);
                    AssertStatisticsAddUp(model.AnyBlock);
                    Expect.Equal(model.UsableBytes, (nuint)GetStatistics().InUseBytes);
                }

                model.CheckAll();
                model.FreeAll();
                AssertNothingLives();
            }

            [Theory]
            [InlineData(100)]
            [InlineData(200)]
            public void Random_use_by_four_threads_that_free_each_others_blocks_keeps_every_byte(int seed) =>
                RunThreads(seed, threads: 4, steps: 2500);

            [AssumesLinux("libc takes the place of the heap's machine code.")]
            [Fact]
            public void Random_use_through_libc_keeps_every_byte()
            {
                using var mode = new KernelMode(KernelAccess.Libc);
                RunThreads(300, threads: 2, steps: 1000);
            }

            [AssumesLinux("machine code may be refused.")]
            [Fact]
            public void Random_use_without_any_machine_code_keeps_every_byte()
            {
                Assumption.X64("the filter of system calls names its calls.");
                ChildProcess.MustSucceed(nameof(Scenarios.UseTheHeapWithoutMachineCode), Seccomp.PrivateCode);
            }

            [Fact]
            public void Many_short_threads_one_after_the_other_leave_nothing_behind()
            {
                for (int seed = 0; seed < Length.Of(50, 200); seed++)
                    RunThreads(400 + seed, threads: 1, steps: 20);
            }

            internal static void RunThreads(int seed, int threads, int steps)
            {
                ConcurrentQueue<ShadowBlock> exchange = new ConcurrentQueue<ShadowBlock>();
                Threads.Run(threads, number =>
                {
                    ShadowModel model = new ShadowModel(seed + number, 16 << 20, exchange);
                    model.Run(steps);
                    model.FreeAll();
                });

                while (exchange.TryDequeue(out ShadowBlock block))
                {
                    Expect.Equal(-1, Pattern.FirstDifference((void*)block.Address, block.Size, block.Seed));
                    Free((void*)block.Address);
                }

                AssertNothingLives();
            }

            private static void AssertNothingLives()
            {
                HeapStatistics before = GetStatistics();
                AssertStatisticsAddUp();
                Expect.Equal((nuint)0, (nuint)before.InUseBytes);
                Expect.Equal(0, before.LargeBlocks);
                // Blocks that threads keep, keep their segments.
                Expect.True(Form.HasThreadCaches
                    || before.Segments <= Policy.MaxReserves, $"{before.Segments} segments although nothing lives");

                Trim();
                HeapStatistics after = GetStatistics();
                Expect.Equal(0, after.Segments);
                Expect.Equal((nuint)0, (nuint)after.InUseBytes + (nuint)after.FreeBytes + (nuint)after.CachedBytes);
                Expect.Equal((nuint)after.HeaderBytes, (nuint)after.MappedBytes);
            }
        }
    }
}
