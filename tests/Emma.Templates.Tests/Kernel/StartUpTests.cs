using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Start-up where the kernel refuses something. Each test is a process of its own.</summary>
        [Trait("Runs", "Everywhere")]
        public sealed class StartUpTests
        {
            [AssumesLinux("a page of machine code.")]
            [Fact]
            public void Without_descriptors_a_heap_uses_its_own_code()
            {
                ChildProcess.MustSucceed(nameof(Scenarios.StartWithoutDescriptors));
            }

            [Fact]
            public void Without_descriptors_from_the_very_first_moment_a_heap_works_at_the_latest_when_there_are_some() =>
                // Not the heap's affair: the runtime ends a process that needs a culture for a message and finds no descriptor to load one.
                ChildProcess.MustSucceed(nameof(Scenarios.StartColdWithoutDescriptors), ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1"));

            [AssumesLinux("a page of machine code.")]
            [Fact]
            public void Without_descriptors_threads_that_start_the_heap_together_get_one()
            {
                ChildProcess.MustSucceed(nameof(Scenarios.StartManyThreadsWithoutDescriptors));
            }

            [AssumesLinux("a page of machine code.")]
            [Fact]
            public void A_heap_with_descriptors_uses_its_own_code()
            {
                ChildProcess.MustSucceed(nameof(Scenarios.StartNormally));
            }
        }

        public static partial class Scenarios
        {
            public static void StartNormally()
            {
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                UseTheHeap(1);
            }

            public static void StartWithoutDescriptors()
            {
                // Everything that the start needs is loaded first; only descriptors are missing.
                Warm();
                ulong limit = ForbidDescriptors();
                KernelAccess access = Kernel;
                void* block = TryAlloc(100);
                Libc.Change(Libc.LimitOfFiles, limit);

                Expect.Equal(KernelAccess.Trampolines, access);
                Expect.True(block != null);
                Expect.Equal(Heap->KernelPage, KernelEntry.MappedBytes);
                AssertStatisticsAddUp(block);
                Mapping page = ProcessMaps.Read().Single(mapping => mapping.Contains(KernelMode.CodeAddress));
                Expect.Equal("r-xp", page.Rights);
                Free(block);
                UseTheHeap(2);
            }

            public static void StartColdWithoutDescriptors()
            {
                // What the tests' own classes within the heap's need is loaded with the heap, and would be missing for good.
                GC.KeepAlive(typeof(MemoryExtensions));
                GC.KeepAlive(typeof(System.Buffers.Binary.BinaryPrimitives));
                ulong limit = ForbidDescriptors();
                void* first = null;
                Exception? failure = null;
                try
                {
                    first = Alloc(100);
                }
                catch (Exception exception)
                {
                    failure = exception;
                }

                Libc.Change(Libc.LimitOfFiles, limit);
                Console.WriteLine($"first allocation: {(failure is null ? "succeeded" : failure.ToString())}");
                void* second = Alloc(100);
                Expect.True(second != null && second != first);
                Free(first);
                Free(second);
                UseTheHeap(3);
            }

            public static void StartManyThreadsWithoutDescriptors()
            {
                Warm();
                nuint[] blocks = new nuint[32];
                using var start = new Barrier(blocks.Length + 1);
                Thread[] threads = Enumerable.Range(0, blocks.Length).Select(i => new Thread(() =>
                {
                    start.SignalAndWait();
                    blocks[i] = (nuint)TryAlloc(100);
                })).ToArray();
                Array.ForEach(threads, thread => thread.Start());
                ulong limit = ForbidDescriptors();
                start.SignalAndWait();
                Array.ForEach(threads, thread => thread.Join());
                Libc.Change(Libc.LimitOfFiles, limit);

                Expect.DoesNotContain((nuint)0, blocks);
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                AssertStatisticsAddUp((void*)blocks[0]);
                Expect.Equal((nuint)(112 * blocks.Length), (nuint)GetStatistics().InUseBytes);
            }

            public static void UseTheHeapWithoutMachineCode()
            {
                Seccomp.RefuseExecutableMemory();
                Seccomp.BecomeScenario(nameof(RunThreadsWithoutMachineCode));
            }

            public static void RunThreadsWithoutMachineCode()
            {
                Expect.Equal(KernelAccess.Libc, Kernel);
                ShadowModelTests.RunThreads(300, threads: 4, steps: 1000);
            }

            private static void Warm()
            {
                foreach (System.Reflection.AssemblyName reference in typeof(EmmaHeap).Assembly.GetReferencedAssemblies())
                {
                    System.Reflection.Assembly assembly = System.Reflection.Assembly.Load(reference);
                    foreach (System.Reflection.AssemblyName behind in assembly.GetReferencedAssemblies())
                        System.Reflection.Assembly.Load(behind);
                }

                Console.Error.WriteLine();
            }

            private static ulong ForbidDescriptors() => Libc.Change(Libc.LimitOfFiles, 3);

            private static void UseTheHeap(int seed)
            {
                ShadowModel model = new ShadowModel(seed, 16 << 20);
                model.Run(500);
                AssertStatisticsAddUp(model.AnyBlock);
                model.FreeAll();
                Trim();
                Expect.Equal(0, GetStatistics().Segments);
            }
        }
    }
}
