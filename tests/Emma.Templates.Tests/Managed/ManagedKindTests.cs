using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Each kind of memory for .NET code under each thing that can happen to a heap.</summary>
        public sealed class ManagedKindTests : HeapTest
        {
            public static TheoryData<string> Kinds => [.. ManagedKinds.All];

            [Theory]
            [MemberData(nameof(Kinds))]
            public void It_is_refused_after_Destroy_frees_nothing_of_the_new_heap_and_begins_anew(string kind)
            {
                void* next = null;
                int wrong = ManagedKinds.Use(kind, () =>
                {
                    Destroy();
                    next = Alloc(100);
                    return true;
                });
                Expect.Equal(0, wrong);
                AssertOnlyOneBlockIsLeft();
                Expect.Equal(0, ManagedKinds.Use(kind, () => false));
                AssertOnlyOneBlockIsLeft();
                Free(next);
            }

            [Theory]
            [MemberData(nameof(Kinds))]
            public void It_outlives_a_Trim_and_the_end_of_the_limit_it_was_made_under(string kind)
            {
                MemoryLimit = 16 << 20;
                try
                {
                    int wrong = ManagedKinds.Use(kind, () =>
                    {
                        Trim();
                        MemoryLimit = 0;
                        return false;
                    });
                    Expect.Equal(0, wrong);
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void At_a_limit_a_scoped_arena_and_blocks_under_the_names_of_Marshal_are_out_of_memory_and_what_was_there_stays()
            {
                MemoryLimit = 8 << 20;
                try
                {
                    Expect.InRange(FillScopedArena(), 5 << 20, 8 << 20);
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                    nint block = AllocHGlobal(1000);
                    new Span<byte>((void*)block, 1000).Fill(ManagedKinds.Mark);
                    Expect.Throws<OutOfMemoryException>(() => AllocHGlobal(9 << 20));
                    Expect.Throws<OutOfMemoryException>(() => ReAllocHGlobal(block, 9 << 20));
                    Expect.Equal(-1, new Span<byte>((void*)block, 1000).IndexOfAnyExcept(ManagedKinds.Mark));
                    FreeHGlobal(block);
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                }
                finally
                {
                    MemoryLimit = 0;
                }
            }

            [Fact]
            public void A_forked_child_uses_what_it_inherited_of_each_kind_and_its_own() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ForkWithinEachKind), EachInstruction.QuietRuntime);

            [Fact]
            public void A_plugin_that_has_all_of_it_out_unloads()
            {
                foreach (nuint address in FreshCopy.RunAndUnload(nameof(ManagedKindWork.KeepAll), typeof(ManagedKindWork).FullName))
                    Expect.Null(ProcessMaps.FindOfHeap(address));
            }

            private static int FillScopedArena()
            {
                HeapScopedArena arena = ScopedArena(stackalloc byte[256]);
                int given = 0;
                try
                {
                    for (; ; given += 10_000)
                        arena.AllocSpan<byte>(10_000).Fill(ManagedKinds.Mark);
                }
                catch (OutOfMemoryException)
                {
                    arena.Dispose();
                    return given;
                }
            }

            private static void AssertOnlyOneBlockIsLeft()
            {
                HeapStatistics left = GetStatistics();
                Expect.True(left.LiveBlocks == 1 && left.LiveOwners + left.LivePins + left.LiveArenas == 0, left.ToString());
            }
        }

        /// <summary>What a copy of the heap in a load context of its own does with each kind.</summary>
        public static class ManagedKindWork
        {
            private static readonly List<object> s_kept = [];

            public static nuint[] KeepAll()
            {
                foreach (string kind in ManagedKinds.All)
                    Expect.Equal(0, ManagedKinds.Use(kind, () => false));
                HeapArena arena = CreateArena();
                HeapBufferWriter writer = CreateBufferWriter(100);
                HeapSequenceWriter sequence = CreateSequenceWriter();
                sequence.GetSpan(100).Clear();
                HeapPooledMemory<int> pooled = RentPooled<int>(100);
                s_kept.AddRange(
                    [arena, writer, writer.AsStream(), sequence, pooled, Rent<long>(10), Pool.Rent(), pooled.Memory.Pin(), Pool]);
                Expect.True(GetStatistics() is { LiveOwners: >= 3, LivePins: 1, LiveArenas: 1, HasCallbacks: true });
                return [(nuint)arena.Alloc(100), (nuint)Callbacks.Malloc(3 << 20), KernelMode.CodeAddress];
            }
        }

        public static partial class Scenarios
        {
            public static void ForkWithinEachKind()
            {
                PrepareToFork();
                // All that a child runs has run here.
                Func<bool> goesOn = () => false;
                foreach (string kind in ManagedKinds.All)
                    Must(ManagedKinds.Use(kind, goesOn) == 0, $"{kind} in the parent");
                foreach (string kind in ManagedKinds.All)
                {
                    int child = -1;
                    int wrong = ManagedKinds.Use(kind, () =>
                    {
                        child = Libc.Fork();
                        return false;
                    });
                    if (child == 0)
                        Libc.Exit(wrong + ManagedKinds.Use(kind, goesOn));
                    Must(wrong == 0, $"{kind}: the parent's memory has changed");
                    Must(WaitFor(child) == 0, $"{kind}: the child's work failed");
                }

                HeapStatistics left = GetStatistics();
                Must(left.LiveBlocks + left.LiveOwners + left.LivePins + left.LiveArenas == 0, $"something is left: {left}");
            }
        }
    }
}
