using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Which functions a heap needs, and what it does where there are fewer. Each test is a process of its own.</summary>
        public sealed class DarwinStartTests
        {
            public static TheoryData<string> Needed => new(
                "mmap", "munmap", "mprotect", "getentropy", "getpid", "pthread_self", "pthread_mach_thread_np", "mach_port_type",
                "mach_task_self_", "usleep");

            [Theory]
            [MemberData(nameof(Needed))]
            public void Where_a_function_is_missing_the_start_says_which_and_may_be_tried_again(string function) =>
                ChildProcess.MustSucceed(nameof(Scenarios.StartWithoutAFunction), (Scenarios.FunctionVariable, function));

            [Fact]
            public void Before_macOS_14_4_threads_that_wait_look_again_after_a_pause() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseTheHeapOfAnOldDarwin), (DarwinSystem.OldVariable, "1"));
        }

        public static partial class Scenarios
        {
            internal const string FunctionVariable = "EMMA_LACKING";

            public static void StartWithoutAFunction()
            {
                string function = Environment.GetEnvironmentVariable(FunctionVariable)!;
                DarwinSystem.Lacking = function;
                for (int i = 0; i < 2; i++)
                {
                    PlatformNotSupportedException refusal = Expect.Throws<PlatformNotSupportedException>(() => Alloc(1));
                    Expect.Contains(function, refusal.Message);
                    Expect.Contains(HeapName, refusal.Message);
                }

                DarwinSystem.Lacking = null;
                Free(Alloc(1));
            }

            public static void UseTheHeapOfAnOldDarwin()
            {
                HeapState.EnsureRunning();
                Expect.Equal(0, Heap->Darwin.WaitOnAddress);
                Expect.Equal(0, Heap->Darwin.WakeByAddress);
                ShadowModelTests.RunThreads(500, threads: 4, steps: 2500);
            }
        }
    }
}
