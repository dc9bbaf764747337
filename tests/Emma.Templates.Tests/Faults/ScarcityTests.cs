using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// A kernel that has ever less to give: limits of address space and free places in the table of mappings, swept in steps, in
        /// processes of their own.
        /// </summary>
        /// <remarks>
        /// The runtime itself needs memory where an exception is thrown: it has it from glibc's malloc, which keeps some. musl's keeps
        /// none, and there the runtime throws within its own throwing, or ends; with a malloc of some reserve it does not (tried).
        /// </remarks>
        [Trait("Runs", "Everywhere")]
        public sealed class ScarcityTests
        {
            [Fact]
            public void With_any_address_space_limit_operations_fail_cleanly_and_nothing_is_lost()
            {
                Assumption.Glibc(RuntimeNeedsMemory);
                Assumption.RealKernel("an emulator does not pass limits of address space on.");
                ChildProcess.MustSucceed(nameof(Scenarios.SweepAddressSpaceLimits), NoCollections.QuietRuntime);
            }

            [Fact]
            public void With_any_number_of_free_places_for_mappings_operations_fail_cleanly_and_nothing_is_lost()
            {
                Assumption.Glibc(RuntimeNeedsMemory);
                Assumption.RealKernel("an emulator needs mappings of its own.");
                ChildProcess.MustSucceed(nameof(Scenarios.SweepFreePlacesForMappings), NoCollections.QuietRuntime);
            }

            private const string RuntimeNeedsMemory = "its malloc keeps what the runtime needs to throw an exception.";
        }

        public static partial class Scenarios
        {
            private static readonly bool s_allSteps = Environment.GetEnvironmentVariable("EMMA_FAULTS") == "all";

            public static void SweepAddressSpaceLimits()
            {
                // The most that the script has mapped at once, about, with the windows' metadata.
                const int most = 360;
                int refused = 0;
                int steps = 0;
                using var helper = new Helper();
                FaultRun warm = WarmScript(helper);
                for (int room = 0; room <= most; room += s_allSteps ? 1 : 30)
                {
                    var run = new FaultRun(kernel: null, $"{room} MiB left", helper.Run);
                    using (new NoCollections())
                    {
                        ulong limit = LimitAddressSpace((nuint)room << 20);
                        try
                        {
                            run.Run();
                        }
                        finally
                        {
                            Libc.Change(Libc.LimitOfAddressSpace, limit);
                        }
                    }

                    refused += run.Refused;
                    steps++;
                    FinishWithRoom(run);
                }

                Expect.NotEqual(0, refused);
                Expect.Equal(0, warm.Refused);
                Console.WriteLine($"{steps} limits, {refused} operations failed");
            }

            public static void SweepFreePlacesForMappings()
            {
                int refused = 0;
                int steps = 0;
                using var helper = new Helper();
                WarmScript(helper);
                // More than the script needs at the end.
                for (int places = 0; places <= 40; places += s_allSteps || places < 2 ? 1 : 12)
                {
                    var run = new FaultRun(kernel: null, $"{places} places left", helper.Run);
                    using (new FullTableOfMappings(places))
                        run.Run();
                    refused += run.Refused;
                    steps++;
                    FinishWithRoom(run);
                }

                Expect.NotEqual(0, refused);
                Console.WriteLine($"{steps} numbers of places, {refused} operations failed");
            }

            // What could not be unmapped is, everything works, and the heap leaves nothing where its windows lie.
            private static void FinishWithRoom(FaultRun run)
            {
                Destroy();
                run.RunWithoutFaults();
                Destroy();
                HeapStatistics s = GetStatistics();
                if ((nuint)s.MappedBytes != KernelEntry.MappedBytes)
                    run.Fail($"mapped {(nuint)s.MappedBytes} bytes after Destroy");
                // Behind them lies the program itself.
                nuint mapped = ProcessMaps.BytesIn(unchecked((nuint)(1UL << 44)), unchecked((nuint)(81UL << 40)));
                if (mapped != 0)
                    run.Fail($"{mapped} bytes are mapped where windows lie");
            }

            private static FaultRun WarmScript(Helper helper)
            {
                WarmFailures();
                var run = new FaultRun(kernel: null, "warm", helper.Run);
                run.Run();
                run.RunWithoutFaults();
                Destroy();
                GetStatistics();
                ProcessMaps.BytesIn(1, 2);
                return run;
            }

            // A thread that is there before memory is short: the runtime could not start one then. It is handed its work by a word that it
            // looks at again and again, because whatever waits in the runtime may need memory to be woken.
            private sealed class Helper : IDisposable
            {
                private readonly Thread _thread;
                private Action? _work;
                private Exception? _failure;
                private bool _ends;

                internal Helper()
                {
                    _thread = new Thread(() =>
                    {
                        while (!Volatile.Read(ref _ends))
                        {
                            Action? work = Volatile.Read(ref _work);
                            if (work is null)
                            {
                                Thread.Yield();
                                continue;
                            }

                            try
                            {
                                work();
                            }
                            catch (Exception exception)
                            {
                                _failure = exception;
                            }

                            Volatile.Write(ref _work, null);
                        }
                    });
                    _thread.Start();
                }

                internal void Run(Action action)
                {
                    Volatile.Write(ref _work, action);
                    while (Volatile.Read(ref _work) is not null)
                        Thread.Yield();
                    if (_failure is not null)
                        throw new AggregateException(_failure);
                }

                public void Dispose()
                {
                    Volatile.Write(ref _ends, true);
                    _thread.Join();
                }
            }
        }
    }
}
