using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Owners, writers and arenas in a forked child: its own, and those that it inherited.</summary>
        public sealed class ManagedForkTests
        {
            [Fact]
            public void A_child_uses_and_disposes_owners_writers_and_arenas_and_its_parent_keeps_its_own() =>
                ChildProcess.MustSucceed(nameof(Scenarios.ForkWithOwnersAndArenas), EachInstruction.QuietRuntime);
        }

        public static partial class Scenarios
        {
            public static void ForkWithOwnersAndArenas()
            {
                PrepareToFork();
                // Compiled and bound by being run: a generic method is when it is first called for a type.
                using (HeapArena arena = CreateArena())
                    Must(UseManaged(arena, RentPooled<int>(100), CreateBufferWriter(10)) == 0, "the work of a child fails in its parent");
                for (int i = 0; i < 10; i++)
                {
                    using HeapArena arena = CreateArena();
                    using HeapPooledMemory<int> owner = RentPooled<int>(100);
                    using HeapBufferWriter writer = CreateBufferWriter(10);
                    byte* kept = (byte*)arena.Alloc(100);
                    *kept = 42;
                    owner.Span.Fill(i);
                    int child = Libc.Fork();
                    if (child == 0)
                        Libc.Exit(UseManaged(arena, owner, writer));

                    Must(WaitFor(child) == 0, $"fork {i}: the child's work failed");
                    Must(*kept == 42 && owner.Span[99] == i && writer.WrittenCount == 0, $"fork {i}: the parent's memory has changed");
                }

                Must(GetStatistics().LiveOwners == 0 && GetStatistics().LiveArenas == 0, "something is left");
            }

            // Uses all of them and disposes them. Returns how much was wrong.
            private static int UseManaged(HeapArena arena, HeapPooledMemory<int> owner, HeapBufferWriter writer)
            {
                int wrong = 0;
                HeapArena.Checkpoint mark = arena.Mark();
                for (int i = 0; i < 2000; i++)
                    *arena.Alloc<int>(100) = i;
                arena.Alloc(1 << 20);
                arena.Rewind(mark);
                arena.Reset();
                wrong += owner.Span.Length == 100 ? 0 : 1;
                owner.Span.Fill(7);
                owner.Dispose();
                for (int i = 0; i < 100; i++)
                {
                    HeapPooledMemory<int> other = RentPooled<int>(100 + i);
                    other.Span.Fill(i);
                    wrong += other.Span[^1] == i ? 0 : 1;
                    other.Dispose();
                    writer.GetSpan(10_000).Fill((byte)i);
                    writer.Advance(10_000);
                }

                wrong += writer.WrittenSpan[^1] == 99 ? 0 : 1;
                writer.Dispose();
                arena.Dispose();
                return wrong;
            }
        }
    }
}
