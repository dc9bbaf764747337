using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Heaps in processes to which the kernel refuses something from the first moment, as containers do. Each test is a process of its
        /// own.
        /// </summary>
        [AssumesLinux("its kernel's refusals.")]
        public sealed class StartUnderFaultsTests
        {
            [Fact]
            public void Where_executable_memory_is_refused_a_heap_reaches_the_kernel_through_libc_and_keeps_no_key() =>
                ChildProcess.MustSucceed(nameof(Scenarios.BeginWithoutExecutableMemory), Seccomp.PrivateCode);

            [Fact]
            public void Where_files_in_memory_are_refused_a_heap_has_its_own_code_all_the_same() =>
                ChildProcess.MustSucceed(nameof(Scenarios.BeginWithoutFilesInMemory), Seccomp.PrivateCode);

            [Fact]
            public void Where_memory_may_not_become_executable_a_heap_has_its_own_code_all_the_same() =>
                ChildProcess.MustSucceed(nameof(Scenarios.BeginWithoutChangesToExecutable), Seccomp.PrivateCode);

            [Fact]
            public void Where_memory_is_locked_a_heap_has_its_own_code_all_the_same() =>
                ChildProcess.MustSucceed(nameof(Scenarios.StartInLockedMemory));

            [Fact]
            public void Where_getrandom_is_refused_a_heap_finds_places_for_its_windows() =>
                ChildProcess.MustSucceed(nameof(Scenarios.BeginWithoutRandomNumbers));

            [Fact]
            public void Where_membarrier_is_refused_threads_that_wait_are_woken() =>
                ChildProcess.MustSucceed(nameof(Scenarios.BeginWithoutMembarrier));

            [Fact]
            public void A_heap_whose_first_calls_fail_starts_with_the_first_that_do_not() =>
                ChildProcess.MustSucceed(nameof(Scenarios.StartWhileEverythingFails));
        }

        public static partial class Scenarios
        {
            public static void BeginWithoutExecutableMemory()
            {
                Seccomp.RefuseExecutableMemory();
                Seccomp.BecomeScenario(nameof(UseTheHeapThroughLibc));
            }

            public static void UseTheHeapThroughLibc()
            {
                int keys = PosixThreads.CountFreeKeys();
                Expect.Equal(KernelAccess.Libc, Kernel);
                Expect.Empty(ProcessMaps.CodePages());
                Expect.Equal((nuint)0, KernelEntry.MappedBytes);
                RunScriptTwice();
                Expect.Equal(keys, PosixThreads.CountFreeKeys());
            }

            public static void BeginWithoutFilesInMemory()
            {
                Seccomp.Refuse(Seccomp.FileInMemoryCall);
                Seccomp.BecomeScenario(nameof(UseTheHeapWithCodeOfNoFile));
            }

            public static void UseTheHeapWithCodeOfNoFile()
            {
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                Mapping page = ProcessMaps.Read().Single(mapping => mapping.Contains(KernelMode.CodeAddress));
                Expect.Equal("r-xp", page.Rights);
                Expect.Empty(ProcessMaps.CodePages());
                RunScriptTwice();
            }

            public static void BeginWithoutChangesToExecutable()
            {
                Seccomp.RefuseToMakeExecutable();
                Seccomp.BecomeScenario(nameof(UseTheHeapWithItsOwnCode));
            }

            public static void UseTheHeapWithItsOwnCode()
            {
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                Expect.Single(ProcessMaps.CodePages());
                RunScriptTwice();
            }

            public static void StartInLockedMemory()
            {
                // What an ordinary user may lock is little beside what the compiler takes.
                Compilation.Prepare(CompilationGroups.All);
                Expect.Equal(0, Libc.LockAll(Libc.LockFutureMappings));
                KernelAccess access = Kernel;
                Libc.UnlockAll();

                Expect.Equal(KernelAccess.Trampolines, access);
                Expect.Equal("r-xs", Expect.Single(ProcessMaps.CodePages()).Rights);
                RunScriptTwice();
            }

            public static void BeginWithoutRandomNumbers()
            {
                Seccomp.Refuse(Seccomp.GetRandomCall);
                Seccomp.BecomeScenario(nameof(UseTheHeapWithoutRandomNumbers));
            }

            public static void UseTheHeapWithoutRandomNumbers()
            {
                ulong random;
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                Expect.Equal(-Failure.NotPermitted, Syscalls.GetRandom(&random, sizeof(ulong)));
                HashSet<nuint> windows = [];
                for (int i = 0; i < 20; i++)
                {
                    windows.Add(Space->Find((nuint)Alloc(1))->Base);
                    Destroy();
                }

                Expect.True(windows.Count > 15, $"{windows.Count} places for 20 windows");
                RunScriptTwice();
            }

            public static void BeginWithoutMembarrier()
            {
                Seccomp.Refuse(Seccomp.MembarrierCall);
                Seccomp.BecomeScenario(nameof(UseTheHeapWithoutMembarrier));
            }

            public static void UseTheHeapWithoutMembarrier()
            {
                Expect.Equal(KernelAccess.Trampolines, Kernel);
                Expect.Equal(-Failure.NotPermitted, Syscalls.Membarrier(0));
                RunScriptTwice();
                ShadowModelTests.RunThreads(400, threads: 4, steps: 1000);
            }

            public static void StartWhileEverythingFails()
            {
                using var kernel = new FaultyKernel();
                foreach (int failure in Failure.Of(CallKind.Mmap))
                {
                    kernel.Begin(new Fault(CallKind.Mmap, 1, failure, Lasts: true));
                    var run = new FaultRun(kernel, $"mmap fails from the start, failure {failure}");
                    foreach (nuint size in new nuint[] { 1, 100_000, 3 << 20 })
                    {
                        Expect.True(TryAlloc(size) == null);
                        Expect.Throws<OutOfMemoryException>(() => Alloc(size));
                    }

                    Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
                    kernel.Clear();
                    run.RunWithoutFaults();
                    Destroy();
                    Expect.Equal(0, kernel.Mapped.Count);
                }
            }

            // Everything works, and once more on the heap that was destroyed.
            private static void RunScriptTwice()
            {
                for (int i = 0; i < 2; i++)
                {
                    var run = new FaultRun(kernel: null, "the script");
                    run.Run();
                    Expect.Equal(0, run.Refused);
                }

                Expect.Equal(KernelEntry.MappedBytes, (nuint)GetStatistics().MappedBytes);
            }
        }
    }
}
