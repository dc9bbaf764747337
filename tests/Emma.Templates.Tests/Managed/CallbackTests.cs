using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The heap as C sees it: function pointers that keep C's rules and throw nothing.</summary>
        public sealed class CallbackTests : HeapTest
        {
            [Fact]
            public void They_answer_as_those_of_the_C_library_do()
            {
                Assumption.Glibc("other C libraries resize to 0 bytes in another way.");
                nint libc = NativeLibrary.Load("libc.so.6");
                string[] expected = CAllocator.Of(libc).Answers();
                Expect.Equal(expected, CAllocator.OfHeap.Answers());
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void Blocks_go_from_C_to_NET_and_back()
            {
                void* block = Callbacks.Malloc(100);
                Expect.True(UsableSize(block) >= 100);
                Free(block);
                block = Alloc(100);
                Callbacks.Free(Callbacks.Realloc(block, 100_000));
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void The_shapes_of_libraries_allocate_and_free_in_this_heap()
            {
                void*[] blocks =
                [
                    Callbacks.OpaqueAlloc(null, 100), Callbacks.ZlibAlloc(null, 10, 10), Callbacks.Bzip2Alloc(null, 10, 10),
                    Callbacks.LuaAlloc(null, null, 5, 100), Callbacks.Sqlite.Malloc(100),
                ];
                foreach (void* block in blocks)
                {
                    Expect.True(UsableSize(block) >= 100);
                    new Span<byte>(block, 100).Fill(1);
                }

                Expect.Equal(blocks.Length, GetStatistics().LiveBlocks);
                Callbacks.OpaqueFree(null, blocks[0]);
                Callbacks.OpaqueFree(null, blocks[1]);
                Callbacks.OpaqueFree(null, blocks[2]);
                blocks[3] = Callbacks.LuaAlloc(null, blocks[3], 100, 5000);
                Expect.Equal(1, ((byte*)blocks[3])[99]);
                Expect.True(Callbacks.LuaAlloc(null, blocks[3], 5000, 0) == null);
                Expect.True(Callbacks.LuaAlloc(null, null, 0, 0) == null);
                blocks[4] = Callbacks.Sqlite.Realloc(blocks[4], 3000);
                Expect.Equal((int)UsableSize(blocks[4]), Callbacks.Sqlite.Size(blocks[4]));
                Expect.Equal((int)GoodSize(3000), Callbacks.Sqlite.Roundup(3000));
                Callbacks.Sqlite.Free(blocks[4]);
                Expect.Equal(0, Callbacks.Sqlite.Init(null));
                Callbacks.Sqlite.Shutdown(null);
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            /// <summary>Lua relies on it.</summary>
            [Theory]
            [InlineData(100, 10)]
            [InlineData(20_000, 100)]
            [InlineData(100_000, 33_000)]
            [InlineData(3 << 20, 5000)]
            [InlineData(5 << 20, (3 << 20) + 1)]
            public void A_block_that_becomes_smaller_is_not_refused_where_nothing_is_left(int from, int to)
            {
                MemoryLimit = 64 << 20;
                try
                {
                    byte* block = (byte*)Callbacks.LuaAlloc(null, null, 0, (nuint)from);
                    new Span<byte>(block, from).Fill(7);
                    foreach (nuint size in new nuint[] { 5 << 20, 100_000, 5000, 100, 1 })
                    {
                        while (TryAlloc(size) != null)
                        {
                        }
                    }

                    block = (byte*)Callbacks.LuaAlloc(null, block, (nuint)from, (nuint)to);
                    Expect.True(block != null);
                    Expect.Equal(-1, new Span<byte>(block, to).IndexOfAnyExcept((byte)7));
                    Expect.True(UsableSize(block) >= (nuint)to);
                    Callbacks.Free(block);
                }
                finally
                {
                    Destroy();
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void Sizes_that_make_no_sense_give_null()
            {
                Expect.True(Callbacks.Bzip2Alloc(null, -1, 10) == null);
                Expect.True(Callbacks.Bzip2Alloc(null, 10, -1) == null);
                Expect.True(Callbacks.Sqlite.Malloc(0) == null);
                Expect.True(Callbacks.Sqlite.Malloc(-1) == null);
                Expect.Equal(int.MaxValue, Callbacks.Sqlite.Roundup(int.MaxValue));
                Expect.Equal(0, Callbacks.Sqlite.Size(null));
                // uint.MaxValue squared fits 64 bits, and no address space.
                Expect.True(Callbacks.ZlibAlloc(null, uint.MaxValue, uint.MaxValue) == null);
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void At_the_limit_they_give_null_and_leave_what_was_there()
            {
                MemoryLimit = 16 << 20;
                try
                {
                    byte* block = (byte*)Callbacks.Malloc(1 << 20);
                    block[0] = 42;
                    Expect.True(Callbacks.Realloc(block, 64 << 20) == null);
                    Expect.Equal(42, block[0]);
                    Expect.True(Callbacks.Malloc(64 << 20) == null);
                    Expect.True(Callbacks.Calloc(64, 1 << 20) == null);
                    Expect.True(Callbacks.AlignedAlloc(4096, 64 << 20) == null);
                    List<nuint> small = [];
                    for (void* one = Callbacks.Malloc(1000); one != null; one = Callbacks.Malloc(1000))
                        small.Add((nuint)one);
                    Expect.True(small.Count > 10_000, $"{small.Count} blocks");
                    small.ForEach(one => Callbacks.Free((void*)one));
                    Callbacks.Free(block);
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void A_handler_is_asked_and_its_exception_does_not_reach_C()
            {
                nuint tooMuch = (nuint)1 << 46;
                List<nuint> asked = [];
                OutOfMemoryHandler = size =>
                {
                    asked.Add(size);
                    throw new ArgumentException("a handler's own");
                };
                try
                {
                    void* block = Callbacks.Malloc(100);
                    Expect.True(Callbacks.Malloc(tooMuch) == null);
                    Expect.True(Callbacks.Realloc(block, tooMuch) == null);
                    Expect.Equal([tooMuch, tooMuch], asked);
                    Callbacks.Free(block);
                }
                finally
                {
                    OutOfMemoryHandler = null;
                }
            }

            [NotOnWindows("C is libc.")]
            [Theory]
            [InlineData("Free")]
            [InlineData("Realloc")]
            [InlineData("UsableSize")]
            public void A_bad_pointer_ends_the_process_with_the_message_of_the_heap(string operation)
            {
                (int exitCode, string output) = ChildProcess.Run(nameof(Scenarios.PassABadPointerToC), (Scenarios.Operation, operation));
                const int aborted = 128 + 6;
                Expect.Equal(aborted, exitCode);
                Expect.Contains($"{HeapName}.{operation} was given the pointer 0x", output);
                Expect.Contains("which lies outside this heap", output);
            }

            [NotOnWindows("threads of C are pthreads.")]
            [Fact]
            public void Threads_that_NET_has_not_made_may_call_them()
            {
                for (int i = 0; i < 100; i++)
                {
                    nuint thread;
                    void* block;
                    Expect.Equal(0, Libc.CreateThread(&thread, null, Callbacks.Malloc, (void*)100));
                    Expect.Equal(0, Libc.Join(thread, &block));
                    Expect.True(UsableSize(block) >= 100);
                    Expect.Equal(0, Libc.CreateThread(&thread, null, Callbacks.Free, block));
                    Expect.Equal(0, Libc.Join(thread, null));
                }

                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void Statistics_say_that_they_were_handed_out()
            {
                nuint[] seen = FreshCopy.RunAndUnload(nameof(CallbackWork.AskTwice), typeof(CallbackWork).FullName);
                Expect.Equal([0, 1, 1, 1], seen);
            }

            [NotOnWindows("threads of C are pthreads.")]
            [Fact]
            public void A_plugin_that_has_handed_them_out_unloads()
            {
                nuint[] addresses = FreshCopy.RunAndUnload(nameof(CallbackWork.UseFromC), typeof(CallbackWork).FullName);
                foreach (nuint address in addresses)
                    Expect.Null(ProcessMaps.FindOfHeap(address));
            }

            [AssumesLinux("functions of the system that are not managed code.")]
            [Theory]
            [InlineData("1", "1")]
            [InlineData("1", "0")]
            [InlineData("0", "0")]
            public void Nothing_is_compiled_when_C_calls(string tiered, string profiled)
            {
                ChildProcess.MustSucceed(
                    nameof(Scenarios.CallFromCWithoutCompiling), ("DOTNET_TieredCompilation", tiered), ("DOTNET_TieredPGO", profiled));
            }

            /// <summary>As with musl, on arm64, and where the process has many heaps.</summary>
            [AssumesLinux("functions of the system that are not managed code.")]
            [Theory]
            [InlineData("1", "1")]
            [InlineData("1", "0")]
            [InlineData("0", "0")]
            public void Nothing_is_compiled_when_C_calls_a_heap_without_machine_code(string tiered, string profiled)
            {
                ChildProcess.MustSucceed(
                    nameof(Scenarios.CallFromCWithoutMachineCode), ("DOTNET_TieredCompilation", tiered), ("DOTNET_TieredPGO", profiled));
            }

            [NotOnWindows("there is no fork.")]
            [Fact]
            public void A_forked_child_calls_those_that_its_parent_took() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ForkWithCallbacks), EachInstruction.QuietRuntime);
        }
    }
}
