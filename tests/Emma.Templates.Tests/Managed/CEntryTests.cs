using System.Runtime.CompilerServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// Where the pointers lead that C is given: to machine code that answers as the methods do, unless the heap has none or may go.
        /// </summary>
        public sealed class CEntryTests : HeapTest
        {
            private static readonly nint s_garbage = unchecked((nint)0x7FEE_DDCC_BBAA_9988);

            // Above what a function of C takes of an `int`.
            private const ulong Upper = 0xABCD_EF01_0000_0000;

            private static readonly nuint[] s_sizes =
            [
                0, 1, 2, 15, 16, 17, 32, 33, 112, 113, 127, 128, 129, 144, 145, 1000, 1023, 1024, 1025, 4096, 20_000, 32_767, 32_768,
                32_769, 65_536, 65_537, 262_143, 262_144, 262_145, 1 << 20, 3 << 20, nuint.MaxValue / 2, nuint.MaxValue,
            ];

            [Fact]
            public void They_lead_to_a_page_that_is_executed_and_not_written_and_counts_or_to_methods()
            {
                nint[] pointers = Pointers();
                if (!CEntryCode.IsPossible)
                {
                    Expect.Equal(Methods(), pointers);
                    Expect.Equal((nint)0, Heap->CodeForC);
                    return;
                }

                Mapping page = ProcessMaps.Read().Single(mapping => mapping.Contains((nuint)Heap->CodeForC));
                Expect.Equal(("r-xs", true), (page.Rights, page.IsCodePage));
                Expect.All(pointers, pointer => Expect.True(page.Contains((nuint)pointer)));
                Expect.Equal(pointers.Length, pointers.Distinct().Count());
                Expect.Equal(pointers, Pointers());
                Destroy();
                Expect.Equal(2 * Heap->KernelPage, (nuint)GetStatistics().MappedBytes);
                void* block = Alloc(100);
                AssertStatisticsAddUp(block);
                Callbacks.Free(block);
            }

            [Fact]
            public void In_a_plugin_they_lead_to_methods_which_keep_it_alive_while_a_thread_is_within()
            {
                Assumption.X64("the thread of C's is machine code.");
                ThreadOfC thread = new ThreadOfC();
                WeakReference alive = EnterPlugin(thread, out nint* words, out nuint code);
                for (int i = 0; i < 10; i++)
                {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                }

                Expect.True(alive.IsAlive && thread.IsInside);
                Volatile.Write(ref words[CallbackWork.MayGo], 1);
                Expect.Equal(0, thread.End());
                FreshCopy.WaitUntilGone(alive);
                Expect.Null(ProcessMaps.FindOfHeap(code));
                thread.Return();
            }

            // Has the thread wait in the handler of a plugin whose memory is at its end, and lets go of the plugin.
            [MethodImpl(MethodImplOptions.NoInlining)]
            private static WeakReference EnterPlugin(ThreadOfC thread, out nint* words, out nuint code)
            {
                FreshCopy copy = new FreshCopy(typeof(CallbackWork).FullName);
                nuint[] entry = copy.Run(nameof(CallbackWork.GiveToC));
                code = entry[3];
                nint* said = words = (nint*)entry[4];
                // The methods', and no page.
                Expect.Equal((entry[1], (nuint)0), (entry[0], entry[2]));
                thread.Begin((void*)entry[0], (nint)1 << 46);
                Patience.Until(() => Volatile.Read(ref said[CallbackWork.IsInside]) != 0, "the thread is in the handler");
                copy.Unload();
                return copy.Alive;
            }

            [Fact]
            public void The_limit_is_not_exceeded_for_a_page_of_code() =>
                ChildProcess.MustSucceed(nameof(Scenarios.TakeCallbacksWithoutRoom));

            [Fact]
            public void A_page_of_code_that_comes_later_is_no_part_of_the_peak_before_it() =>
                ChildProcess.MustSucceed(nameof(Scenarios.TakeCallbacksAfterThePeak));

            /// <summary>Each shape, twice: the first time the thread's magazines are empty, then they have blocks.</summary>
            [Fact]
            public void Each_shape_gives_a_block_of_the_size_that_its_method_gives()
            {
                foreach (nuint size in s_sizes)
                {
                    nuint expected = Measure(((delegate* unmanaged[Cdecl]<nuint, void*>)&CEntries.Malloc)(size));
                    for (int round = 0; round < 2; round++)
                    {
                        List<nuint> blocks =
                        [
                            (nuint)Callbacks.Malloc(size), (nuint)Callbacks.OpaqueAlloc((void*)s_garbage, size),
                            (nuint)Callbacks.Malloc(size),
                        ];
                        if (size != 0)
                        {
                            blocks.Add((nuint)Callbacks.LuaAlloc((void*)s_garbage, null, (nuint)s_garbage, size));
                            blocks.Add((nuint)Callbacks.Realloc(null, size));
                        }

                        if (size <= int.MaxValue)
                        {
                            blocks.Add((nuint)ZlibWith(Upper | 1, Upper | (uint)size));
                            blocks.Add((nuint)ZlibWith(Upper | (uint)size, Upper | 1));
                            blocks.Add((nuint)Bzip2With(Upper | (uint)size, Upper | 1));
                        }

                        if (size is > 0 and <= int.MaxValue)
                        {
                            blocks.Add((nuint)SqliteWith(Upper | (uint)size));
                            blocks.Add((nuint)Callbacks.Sqlite.Realloc(null, (int)size));
                        }

                        foreach (nuint block in blocks)
                            Expect.True((block == 0 ? 0 : UsableSize((void*)block)) == expected, $"size {size}, round {round}");
                        blocks.RemoveAll(block => block == 0);
                        Expect.Equal(blocks.Count, blocks.Distinct().Count());
                        for (int i = 0; i < blocks.Count; i++)
                            Release((void*)blocks[i], i);
                    }
                }

                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void Numbers_that_ask_for_nothing_give_null_and_free_what_they_are_to()
            {
                for (int round = 0; round < 3; round++)
                {
                    Expect.True(SqliteWith(Upper) == null && SqliteWith(Upper | 0x8000_0000) == null && SqliteWith(uint.MaxValue) == null);
                    Expect.True(Bzip2With(Upper | 0x8000_0000, 1) == null && Bzip2With(1, Upper | 0xFFFF_FFFF) == null);
                    Expect.True(ZlibWith(uint.MaxValue, uint.MaxValue) == null);
                    Expect.True(Callbacks.Realloc(null, 0) == null && Callbacks.Sqlite.Realloc(null, -1) == null);
                    Expect.True(Callbacks.LuaAlloc((void*)s_garbage, null, (nuint)s_garbage, 0) == null);
                    Callbacks.Free(null);
                    Callbacks.OpaqueFree((void*)s_garbage, null);
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                    Expect.True(Callbacks.Sqlite.Realloc(Callbacks.Malloc(100), int.MinValue) == null);
                    Expect.True(Callbacks.Sqlite.Realloc(Callbacks.Malloc(100), 0) == null);
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                }
            }

            [Fact]
            public void A_thread_of_Cs_between_two_calls_finds_an_empty_cache_after_Destroy()
            {
                Assumption.X64("the thread of C's is machine code.");
                ThreadOfC thread = new ThreadOfC();
                for (int i = 0; i < 5; i++)
                {
                    nint first = thread.Call(Callbacks.Malloc, 100);
                    nint second = thread.Call(Callbacks.Malloc, 100);
                    thread.Call(Callbacks.Free, first);
                    Expect.True(first != 0 && second != 0 && first != second);
                    Destroy();
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                    nint[] blocks = [.. Enumerable.Range(0, 200).Select(_ => thread.Call(Callbacks.Malloc, 100))];
                    Expect.Equal(blocks.Length, blocks.Distinct().Count());
                    Expect.All(blocks, block => Expect.True(UsableSize((void*)block) >= 100));
                    foreach (nint block in blocks)
                        thread.Call(Callbacks.OpaqueFree, s_garbage, block);
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                }

                thread.Return();
            }

            [Fact]
            public void What_a_thread_of_Cs_leaves_goes_to_the_next()
            {
                Assumption.X64("the thread of C's is machine code.");
                for (int i = 0; i < 40; i++)
                {
                    ThreadOfC thread = new ThreadOfC();
                    nint kept = thread.Call(Callbacks.Malloc, 200);
                    for (int k = 0; k < 10; k++)
                        thread.Call(Callbacks.Free, thread.Call(Callbacks.Malloc, 100));
                    thread.Return();
                    Callbacks.Free((void*)kept);
                }

                Expect.Equal(0, GetStatistics().LiveBlocks);
                Trim();
                Expect.True(GetStatistics().ThreadCaches <= 10, GetStatistics().ToString());
                AssertStatisticsAddUp();
            }

            private static nuint Measure(void* block)
            {
                nuint size = block == null ? 0 : UsableSize(block);
                Free(block);
                return size;
            }

            private static void Release(void* block, int shape)
            {
                switch (shape % 5)
                {
                    case 0:
                        Callbacks.Free(block);
                        break;
                    case 1:
                        Callbacks.OpaqueFree((void*)s_garbage, block);
                        break;
                    case 2:
                        Expect.True(Callbacks.LuaAlloc((void*)s_garbage, block, (nuint)s_garbage, 0) == null);
                        break;
                    case 3:
                        Expect.True(Callbacks.Realloc(block, 0) == null);
                        break;
                    default:
                        Callbacks.Sqlite.Free(block);
                        break;
                }
            }

            private static void* ZlibWith(ulong items, ulong size) =>
                ((delegate* unmanaged[Cdecl]<void*, ulong, ulong, void*>)Callbacks.ZlibAlloc)((void*)s_garbage, items, size);

            private static void* Bzip2With(ulong items, ulong size) =>
                ((delegate* unmanaged[Cdecl]<void*, ulong, ulong, void*>)Callbacks.Bzip2Alloc)((void*)s_garbage, items, size);

            private static void* SqliteWith(ulong size) => ((delegate* unmanaged[Cdecl]<ulong, void*>)Callbacks.Sqlite.Malloc)(size);

            private static nint[] Pointers()
            {
                Callbacks.SqliteMethods methods = Callbacks.Sqlite;
                Expect.Equal((nint)Callbacks.Free, (nint)methods.Free);
                return
                [
                    (nint)Callbacks.Malloc, (nint)Callbacks.Free, (nint)Callbacks.Realloc, (nint)Callbacks.OpaqueAlloc,
                    (nint)Callbacks.OpaqueFree, (nint)Callbacks.ZlibAlloc, (nint)Callbacks.Bzip2Alloc, (nint)Callbacks.LuaAlloc,
                    (nint)methods.Malloc, (nint)methods.Realloc,
                ];
            }

            private static nint[] Methods() =>
            [
                (nint)(delegate* unmanaged[Cdecl]<nuint, void*>)&CEntries.Malloc,
                (nint)(delegate* unmanaged[Cdecl]<void*, void>)&CEntries.Free,
                (nint)(delegate* unmanaged[Cdecl]<void*, nuint, void*>)&CEntries.Realloc,
                (nint)(delegate* unmanaged[Cdecl]<void*, nuint, void*>)&CEntries.OpaqueAlloc,
                (nint)(delegate* unmanaged[Cdecl]<void*, void*, void>)&CEntries.OpaqueFree,
                (nint)(delegate* unmanaged[Cdecl]<void*, uint, uint, void*>)&CEntries.ZlibAlloc,
                (nint)(delegate* unmanaged[Cdecl]<void*, int, int, void*>)&CEntries.Bzip2Alloc,
                (nint)(delegate* unmanaged[Cdecl]<void*, void*, nuint, nuint, void*>)&CEntries.LuaAlloc,
                (nint)(delegate* unmanaged[Cdecl]<int, void*>)&CEntries.SqliteMalloc,
                (nint)(delegate* unmanaged[Cdecl]<void*, int, void*>)&CEntries.SqliteRealloc,
            ];
        }

        public static partial class Scenarios
        {
            public static void TakeCallbacksAfterThePeak()
            {
                MemoryLimit = 8 << 20;
                nint first = 0;
                for (void* block = TryAlloc(4096); block != null; block = TryAlloc(4096))
                {
                    *(nint*)block = first;
                    first = (nint)block;
                }

                while (first != 0)
                {
                    nint next = *(nint*)first;
                    Free((void*)first);
                    first = next;
                }

                Trim();
                long peak = GetStatistics().PeakMappedBytes;
                Expect.True(peak <= MemoryLimit, $"{peak} bytes before");
                Callbacks.Free(Callbacks.Malloc(1));
                Expect.Equal(peak, GetStatistics().PeakMappedBytes);
            }

            /// <summary>A limit that leaves no room for a second page of code; what is handed out are methods, for good.</summary>
            public static void TakeCallbacksWithoutRoom()
            {
                HeapState.EnsureRunning();
                MemoryLimit = (long)Heap->KernelPage;
                void* none = Callbacks.Malloc(100);
                Must(none == null, "a block beyond the limit");
                Must((nuint)GetStatistics().MappedBytes <= Heap->KernelPage, GetStatistics().ToString());
                Must(Heap->CodeForC == 0, "a page beyond the limit");
                MemoryLimit = 0;
                void* block = Callbacks.Malloc(100);
                Must(UsableSize(block) >= 100, "no block");
                Callbacks.Free(block);
                Must((nuint)GetStatistics().PeakMappedBytes >= Heap->KernelPage && GetStatistics().LiveBlocks == 0, "the count");
            }
        }
    }
}
