using System.Reflection;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Threads that start a heap together, at the instants at which they meet.</summary>
        public sealed class StartRaceTests
        {
            [Fact]
            public void A_thread_that_is_overtaken_while_it_makes_the_code_page_leaves_the_heap_to_the_one_that_was_first()
            {
                FreshCopy copy = new FreshCopy(typeof(StartRaces).FullName);
                copy.Run(nameof(StartRaces.StartBesideAnother));
                copy.Unload();
            }

            [Fact]
            public void Of_threads_that_start_a_heap_together_one_has_it_looked_after() =>
                ChildProcess.MustSucceed(nameof(Scenarios.StartBesideAnotherAtTheLastInstant), EachInstruction.QuietRuntime);
        }

        /// <summary>What a copy of the heap does in a load context of its own.</summary>
        public static class StartRaces
        {
            public static nuint[] StartBesideAnother()
            {
                const BindingFlags hidden = BindingFlags.NonPublic | BindingFlags.Static;
                int codePages = ProcessMaps.CodePages().Count;
                HeldThread slow = new HeldThread(Seccomp.TrapExecutableViews, () => Free(Alloc(100)));
                Expect.True(slow.AwaitStand(), "no code page is made");
                bool ran = HeapState.IsRunning;
                object? sentinel = typeof(HeapState).GetField("s_sentinel", hidden)!.GetValue(null);
                HeapState.EnsureRunning();
                nuint code = KernelMode.CodeAddress;
                if (code != 0)
                    Free(Alloc(100));
                slow.LetGo();

                Expect.False(ran, "the heap ran before there was a way to call the kernel");
                Expect.True(sentinel is not null, "there was no sentinel that would unmap the page");
                Expect.NotEqual((nuint)0, code);
                Expect.Equal(code, KernelMode.CodeAddress);
                Expect.Equal(codePages + 1, ProcessMaps.CodePages().Count);
                Expect.All(Form.FastPaths, path => Expect.InRange(path, code, code + CodePage.Bytes));
                Free(Alloc(100));
                return [];
            }
        }

        public static partial class Scenarios
        {
            /// <summary>
            /// Starts the heap twice more, as if it had not run. The first time shows the instruction by which a thread says that the heap
            /// runs; the second time another thread says so right before it.
            /// </summary>
            public static void StartBesideAnotherAtTheLastInstant()
            {
                const BindingFlags hidden = BindingFlags.NonPublic | BindingFlags.Static;
                Free(Alloc(100));
                FieldInfo lookedAfter = typeof(HeapState).GetField("s_assembly", hidden)!;
                // Everything is compiled.
                Expect.NotNull(((ThreadSet)typeof(Compilation).GetField("s_preparing", hidden)!.GetValue(null)!).TryEnter());
                StartSteps.s_state = StateWord;
                StartSteps.s_running = *StartSteps.s_state;
                for (int i = 0; i < 2; i++)
                {
                    *StartSteps.s_state = 0;
                    HeapState.EnsureRunning();
                }

                *StartSteps.s_state = 0;
                lookedAfter.SetValue(null, null);
                EachInstruction.Run(&StartSteps.FindLastInstant, HeapState.EnsureRunning);
                Expect.True(StartSteps.s_instant != null);
                Expect.NotNull(lookedAfter.GetValue(null));

                *StartSteps.s_state = 0;
                lookedAfter.SetValue(null, null);
                EachInstruction.Run(&StartSteps.StartAtLastInstant, HeapState.EnsureRunning);
                Expect.True(StartSteps.s_started);
                Expect.Null(lookedAfter.GetValue(null));
            }

            private static class StartSteps
            {
                internal static int* s_state;
                internal static int s_running;
                internal static byte* s_instant;
                internal static bool s_started;

                private static byte* s_before;

                internal static void FindLastInstant(InterruptedThread* thread)
                {
                    if (*s_state == s_running && s_instant == null)
                        s_instant = s_before;
                    s_before = thread->InstructionPointer;
                }

                internal static void StartAtLastInstant(InterruptedThread* thread)
                {
                    if (thread->InstructionPointer != s_instant)
                        return;
                    *s_state = s_running;
                    s_started = true;
                }
            }
        }
    }
}
