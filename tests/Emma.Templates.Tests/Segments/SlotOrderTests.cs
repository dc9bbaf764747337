using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What a thread leaves that dies while it takes or frees slots.</summary>
        public sealed class SlotOrderTests
        {
            [Fact]
            public void Slots_are_taken_and_freed_in_an_order_in_which_none_is_ever_a_tail_without_a_head() =>
                ChildProcess.MustSucceed(nameof(Scenarios.TakeAndFreeSlots), EachInstruction.QuietRuntime);
        }

        public static partial class Scenarios
        {
            public static void TakeAndFreeSlots()
            {
                const int count = 4;
                void* pin = Alloc(64);
                Window* window = Space->Find((nuint)pin);
                // Run once to be compiled. The next slots are those behind.
                nuint first = window->SlotOf(window->Claim(count, Window.SlotSize, failures: 0));
                window->Release(first, count);
                SlotSteps.s_slots = window->Slots + first + count;

                nuint address = 0;
                EachInstruction.Run(&SlotSteps.Look, () => address = window->Claim(count, Window.SlotSize, failures: 0));
                Expect.Equal((nuint)SlotSteps.s_slots, (nuint)(window->Slots + window->SlotOf(address)));
                Expect.Equal(count - 1, SlotSteps.s_tails);
                EachInstruction.Run(&SlotSteps.Look, () => window->Release(window->SlotOf(address), count));
                Expect.Equal(0, SlotSteps.s_tails);
                Expect.Equal(0, SlotSteps.s_headless);
                Free(pin);
            }

            private static class SlotSteps
            {
                internal static nuint* s_slots;
                internal static int s_tails, s_headless;

                internal static void Look(InterruptedThread* thread)
                {
                    if (s_slots == null)
                        return;

                    s_tails = 0;
                    for (int i = 0; i < 8; i++)
                    {
                        if (s_slots[i] != SlotKind.Tail)
                            continue;
                        s_tails++;
                        if (s_slots[i - 1] == SlotKind.Free)
                            s_headless++;
                    }
                }
            }
        }
    }
}
