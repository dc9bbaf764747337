using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Threads that the runtime has not made, and whose end it may not see.</summary>
        [Trait("Runs", "Everywhere")]
        public sealed class NativeThreadTests
        {
            [NotOnWindows("threads of C are pthreads.")]
            [Fact]
            public void Native_threads_that_enter_by_a_callback_and_end_outside_leave_nothing_behind() =>
                ChildProcess.MustSucceed(nameof(Scenarios.NativeThreadsEndOutside), EachInstruction.QuietRuntime);
        }
    }
}
