using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// The runtime replaces a method that is long in a loop by compiling it anew on the thread that runs it (on-stack replacement), at
        /// the thousandth turn here. In a heap that thread may hold a lock.
        /// </summary>
        public sealed class CompilationTests
        {
            /// <summary>No method is optimized before its loops are long, or they would not be seen, by chance.</summary>
            [Fact]
            public void Nothing_is_compiled_on_a_thread_that_uses_a_heap_that_has_started() =>
                ChildProcess.MustSucceed(
                    nameof(Scenarios.UseMuchOfTheHeap), ("DOTNET_OSR_HitLimit", "1"), ("DOTNET_TC_CallCountThreshold", "7FFF"));
        }

        public static partial class Scenarios
        {
            private const int ManyBlocks = 20_000;
            private const int ManyRuns = 3000;
            private const int ManySlabs = 6000;
            private const int ManySmallBlocks = 1_500_000;
            private const int ManyThreads = 1200;

            private static long s_compiled;

            // The blocks that are live.
            private static nuint* s_many;

            /// <summary>All loops of the heap run long: over slots, segments, slabs, magazines, caches.</summary>
            public static void UseMuchOfTheHeap()
            {
                s_many = (nuint*)NativeMemory.AllocZeroed(ManySmallBlocks, (nuint)sizeof(nuint));
                // The heap starts, each group of its methods is compiled, and so are the tests' own.
                AllocateAll("a few blocks", 10, 100);
                FreeAll("a few blocks", 10, 1);
                AllocateAll("a block", 1, 1 << 20);
                FreeAll("a block", 1, 1);
                LookAround("a few blocks");
                Compilation.Prepare(CompilationGroups.ForPurge);
                Without("Destroy", () => Destroy());
                s_compiled = 0;
                AllocateAndFreeAll("windows full of blocks", ManyBlocks, (2 << 20) + 4096);
                AllocateAndFreeAll("many segments", ManyRuns, 3 << 19);
                AllocateAndFreeAll("many slabs", ManySlabs, 32_768);
                AllocateAndFreeAll("many magazines", ManySmallBlocks, 16);
                AllocateAndFreeAll("many slots of one block", 3, (nuint)8 << 30);
                using (var alive = new Barrier(ManyThreads + 1))
                {
                    Thread[] threads = Enumerable.Range(0, ManyThreads).Select(_ => new Thread(
                        () =>
                        {
                            Free(Alloc(100));
                            alive.SignalAndWait();
                        },
                        maxStackSize: 128 << 10)).ToArray();
                    Array.ForEach(threads, thread => thread.Start());
                    alive.SignalAndWait();
                    Array.ForEach(threads, thread => thread.Join());
                }

                LookAround("threads that have ended");
                Without("Destroy", () => Destroy());
                LookAround("an empty heap");
                Expect.Equal(0, s_compiled);
            }

            private static void AllocateAndFreeAll(string what, int count, nuint size)
            {
                AllocateAll(what, count, size);
                LookAround($"{what}, live");
                FreeAll($"{what}, every second one", count, 2);
                LookAround($"{what}, half of them");
                AllocateAll($"{what}, anew", count / 2, size / 2);
                FreeAll($"{what}, all", count, 1);
                LookAround($"{what}, gone");
            }

            private static void LookAround(string what)
            {
                Without($"{what}: GetStatistics", () => GetStatistics());
                Without($"{what}: looking after the dead", () => Small->ReclaimBeforeMapping());
                Without($"{what}: Trim", () => Trim());
            }

            [MethodImpl(MethodImplOptions.AggressiveOptimization)]
            private static void AllocateAll(string what, int count, nuint size)
            {
                long before = JitInfo.GetCompiledMethodCount(currentThread: true);
                for (int i = 0, filled = 0; filled < count; i++)
                {
                    if (s_many[i] != 0)
                        continue;

                    s_many[i] = (nuint)Alloc(size);
                    filled++;
                }

                ExpectNone($"{what}: Alloc", before);
            }

            [MethodImpl(MethodImplOptions.AggressiveOptimization)]
            private static void FreeAll(string what, int count, int step)
            {
                long before = JitInfo.GetCompiledMethodCount(currentThread: true);
                for (int i = 0; i < count; i += step)
                {
                    Free((void*)s_many[i]);
                    s_many[i] = 0;
                }

                ExpectNone($"{what}: Free", before);
            }

            private static void Without(string what, Action use)
            {
                RuntimeHelpers.PrepareDelegate(use);
                long before = JitInfo.GetCompiledMethodCount(currentThread: true);
                use();
                ExpectNone(what, before);
            }

            private static void ExpectNone(string what, long before)
            {
                long compiled = JitInfo.GetCompiledMethodCount(currentThread: true) - before;
                if (compiled != 0)
                    Console.Error.WriteLine($"{what}: {compiled} methods were compiled");
                s_compiled += compiled;
            }
        }
    }
}
