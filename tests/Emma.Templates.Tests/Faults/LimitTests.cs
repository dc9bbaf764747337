using System.Globalization;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Heaps in processes that may have little: the limits of a shell or a container, and memory that is locked as it is mapped. A heap
        /// asks for what it is about to use, not for what it might. Each test is a process of its own.
        /// </summary>
        [Trait("Runs", "Everywhere")]
        public sealed class LimitTests
        {
            public LimitTests() =>
                Assumption.RealKernel("an emulator does not pass limits of memory on, and its own memory would be locked.");

            [Fact]
            public void With_64_MiB_of_addresses_left_a_heap_works() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseLittleAddressSpace), NoCollections.QuietRuntime);

            /// <summary>What counts there is what the kernel counts where it does not overcommit.</summary>
            [Fact]
            public void With_64_MiB_of_data_left_a_heap_works() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseLittleData), NoCollections.QuietRuntime);

            [Fact]
            public void Where_memory_is_locked_as_it_is_mapped_a_heap_takes_what_it_maps_and_gives_it_back() =>
                ChildProcess.MustSucceed(nameof(Scenarios.LockEverythingToCome), NoCollections.QuietRuntime);
        }

        public static partial class Scenarios
        {
            private const ulong Room = 64 << 20;

            public static void UseLittleAddressSpace() => UseWithinRoom(Libc.LimitOfAddressSpace, "VmSize");

            public static void UseLittleData() => UseWithinRoom(Libc.LimitOfData, "VmData");

            public static void LockEverythingToCome()
            {
                CompileWhatFollows();
                if (!Libc.TryLockWhatIsMapped())
                {
                    Console.WriteLine("this user may not lock memory");
                    return;
                }

                const ulong fewPages = 64 << 10;
                ulong before = StatusBytes("VmLck");
                void* first = Alloc(100);
                ulong grown = StatusBytes("VmLck") - before;
                ulong marks = (ulong)GetStatistics().Segments * LiveMarks.CountedPerSegment;
                ulong mapped = (ulong)GetStatistics().MappedBytes - marks - KernelEntry.MappedBytes;
                Console.WriteLine($"the first block: {grown} bytes locked, of which a plain heap maps {mapped}");
                // A hardened heap keeps 64 mappings of a page for the runtime.
                ulong spare = IsHardened ? 64 * (ulong)Heap->KernelPage : 0;
                Expect.True(grown <= mapped + (512 << 10) + fewPages + spare, $"{grown} bytes locked, {mapped} mapped without marks");

                // Segments in which a block stays: their pages can be discarded, but no segment be unmapped.
                List<nint> blocks = [];
                for (int i = 0; i < 2560; i++)
                    blocks.Add((nint)Alloc(16 << 10));
                ulong peak = StatusBytes("VmRSS");
                for (int i = 0; i < blocks.Count; i++)
                {
                    if (i % 250 != 0)
                        Free((void*)blocks[i]);
                }

                // The frees themselves give a part of it back.
                Trim();
                ulong left = StatusBytes("VmRSS");
                Expect.True(left + (30 << 20) < peak, $"resident are {left} bytes after trimming, {peak} before");
                Expect.True(GetStatistics().Segments >= 10);
                Free(first);
            }

            private static void UseWithinRoom(int limited, string used)
            {
                // The runtime itself may need more than that.
                CompileWhatFollows();
                using var quiet = new NoCollections();
                ulong limit = Libc.Change(limited, StatusBytes(used) + Room);
                try
                {
                    void* first = Alloc(100);
                    void*[] blocks = new void*[1 << 14];
                    for (int i = 0; i < blocks.Length; i++)
                        blocks[i] = Alloc(1000);
                    void* large = Alloc(8 << 20);
                    foreach (void* block in blocks)
                        Free(block);
                    Free(large);
                    Free(first);
                    AssertStatisticsAddUp();
                }
                finally
                {
                    Libc.Change(limited, limit);
                }
            }

            // So that what is counted is the heap's, not the compiler's.
            private static void CompileWhatFollows()
            {
                Free(Alloc(100));
                StatusBytes("VmLck");
                AssertStatisticsAddUp();
                Trim();
                Destroy();
            }

            // A figure of the process that the kernel gives in KiB.
            private static ulong StatusBytes(string name)
            {
                string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name + ':', StringComparison.Ordinal));
                return ulong.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
            }
        }
    }
}
