using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The garbage collector does not wait for a thread in the machine code that C calls.</summary>
        public sealed class CEntryProtocolTests : FewCachesTest
        {
            [Fact]
            public void Collections_trimming_and_the_search_for_the_dead_leave_a_thread_alone_at_every_instruction()
            {
                Expect.SkipUnless(CEntryCode.IsPossible, "This heap gives C methods.");
                ChildProcess.MustSucceed(nameof(Scenarios.CollectAtEachInstructionOfC), EachInstruction.QuietRuntime);
            }
        }

        public static partial class Scenarios
        {
            private const nuint SizeForC = 64;

            private static nint s_blockOfC;

            /// <summary>
            /// A thread allocates and frees as C does, where its magazine serves and where it does not. Before one of its instructions in
            /// the machine code, each in its turn, it stands still while others do whatever may take blocks away from a thread.
            /// </summary>
            public static void CollectAtEachInstructionOfC()
            {
                HeldInC.s_start = (nuint)CEntries.Require();
                Must(HeldInC.s_start != 0, "no machine code");
                delegate* unmanaged[Cdecl]<nuint, void*> malloc = Callbacks.Malloc;
                delegate* unmanaged[Cdecl]<void*, void> free = Callbacks.Free;
                HeldByC allocate = new("allocation", () => s_blockOfC = (nint)malloc(SizeForC));
                HeldByC release = new("free", () => free((void*)s_blockOfC));
                int held = 0;
                held += Hold(allocate, () => Free(Alloc(SizeForC)), true);
                // Its own cache is emptied, too.
                held += Hold(allocate, () => Trim(), true);
                held += Hold(release, () => s_blockOfC = (nint)Alloc(SizeForC), false);
                held += Hold(release, () =>
                {
                    s_blockOfC = (nint)Alloc(SizeForC);
                    Trim();
                }, false);
                Console.WriteLine($"held at {held} instructions");
                // Fifty each where the magazine serves, half of them where it does not.
                Must(held is >= 80 and <= 400, $"held at {held} instructions");
            }

            // prepare: What the thread does before; not stepped.
            // gives: Whether a block has come of it, or one has gone.
            // Returns: At how many instructions the thread was held.
            private static int Hold(HeldByC operation, Action prepare, bool gives)
            {
                using var begun = new SemaphoreSlim(0);
                using var ready = new SemaphoreSlim(0);
                using var done = new SemaphoreSlim(0);
                bool stop = false;
                nuint cache = 0;
                Thread stepped = new Thread(() =>
                {
                    // All that it calls, once.
                    prepare();
                    operation.Run();
                    Free((void*)(gives ? s_blockOfC : 0));
                    while (true)
                    {
                        begun.Wait();
                        if (Volatile.Read(ref stop))
                            return;
                        prepare();
                        cache = (nuint)CacheInternals.Own;
                        ready.Release();
                        begun.Wait();
                        EachInstruction.Run(&HeldInC.Visit, operation.Run);
                        done.Release();
                    }
                });
                stepped.IsBackground = true;
                stepped.Start();
                for (int instruction = 1; ; instruction++)
                {
                    string where = $"{operation.Name}, instruction {instruction}";
                    begun.Release();
                    ready.Wait();
                    long live = GetStatistics().LiveBlocks;
                    long owner = ((ThreadCache*)cache)->Owner.Word;
                    HeldInC.Begin(instruction);
                    begun.Release();
                    bool held = HeldInC.Wait(done);
                    if (held)
                    {
                        for (int i = 0; i < 2; i++)
                        {
                            GC.Collect();
                            GC.WaitForPendingFinalizers();
                        }

                        Trim();
                        Giving->Acquire();
                        int checks = 1000;
                        CacheInternals.List.ReclaimDead(ref checks, int.MaxValue);
                        Giving->Release();
                        Must(((ThreadCache*)cache)->Owner.Word == owner, $"{where}: the cache has another owner");
                    }

                    HeldInC.LetGo();
                    if (held)
                        done.Wait();
                    Must(GetStatistics().LiveBlocks == live + (gives ? 1 : -1), $"{where}: {live} blocks, then {GetStatistics()}");
                    AssertStatisticsAddUp();
                    if (gives)
                    {
                        Must(UsableSize((void*)s_blockOfC) == SizeForC, $"{where}: no block");
                        Free((void*)s_blockOfC);
                    }

                    if (held)
                        continue;
                    Volatile.Write(ref stop, true);
                    begun.Release();
                    stepped.Join();
                    return instruction - 1;
                }
            }

            private sealed record HeldByC(string Name, Action Run);

            private static class HeldInC
            {
                // Where the page of code begins.
                internal static nuint s_start;

                private static int s_count;
                private static int s_chosen;
                private static int s_isHeld;
                private static int s_mayGo;

                internal static void Visit(InterruptedThread* thread)
                {
                    if (unchecked((nuint)thread->InstructionPointer - s_start) >= CodePage.Bytes || ++s_count != s_chosen)
                        return;
                    Volatile.Write(ref s_isHeld, 1);
                    while (Volatile.Read(ref s_mayGo) == 0)
                    {
                    }
                }

                internal static void Begin(int instruction)
                {
                    s_count = 0;
                    s_chosen = instruction;
                    s_mayGo = 0;
                    s_isHeld = 0;
                }

                // Whether the thread is held; else it has come to the end.
                internal static bool Wait(SemaphoreSlim done)
                {
                    while (Volatile.Read(ref s_isHeld) == 0)
                    {
                        if (done.Wait(0))
                            return false;
                        Thread.Yield();
                    }

                    return true;
                }

                internal static void LetGo() => Volatile.Write(ref s_mayGo, 1);
            }
        }
    }
}
