using System.Reflection;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// The id of a thread with a name is no other thread's as long as a lock may name it: on Windows because it is held, elsewhere
        /// because ids come round late.
        /// </summary>
        [Trait("Runs", "Windows")]
        public sealed class PinnedNameTests : HeapTest
        {
            // More than Wine keeps from being given anew, which is 256.
            private const int Comers = 700;

            [Fact]
            public void All_locks_lie_in_the_root_where_their_owners_are_looked_for()
            {
                Type[] owners = typeof(HeapInternals).GetNestedTypes(All)
                    .Where(type => type.GetFields(All).Any(field => field.FieldType == typeof(Lock)))
                    .ToArray();
                HashSet<Type> inRoot = [];
                Add(typeof(Root));
                Expect.Contains(typeof(Bin), owners);
                Expect.Empty(owners.Except(inRoot));

                void Add(Type type)
                {
                    if (!inRoot.Add(type))
                        return;
                    foreach (FieldInfo field in type.GetFields(All).Where(field => !field.IsStatic && field.FieldType.IsValueType))
                        Add(field.FieldType);
                }
            }

            [Fact]
            public void Nobody_is_given_the_id_of_a_thread_that_died_with_a_lock_which_is_taken_over()
            {
                int dead = 0;
                RunToDeath(() =>
                {
                    dead = CurrentThread.Id;
                    State->Trimming.Acquire();
                });
                for (int i = 0; i < Comers; i++)
                    RunToDeath(() => Expect.NotEqual(dead, CurrentThread.Id));
                Expect.True(State->Trimming.Acquire());
                State->Trimming.Release();
            }

            [Fact]
            public void Threads_that_come_and_go_have_the_places_of_the_dead()
            {
                RunToDeath(() => _ = CurrentThread.Id);
                int before = Places();
                for (int i = 0; i < Comers; i++)
                    RunToDeath(() => _ = CurrentThread.Id);
                // Threads of the runtime's may have come meanwhile. There are no places where ids are not held.
                Expect.InRange(Places() - before, 0, 8);
            }

            private static int Places() => Heap->Windows.NamePlaces;

            // Join returns a little before the kernel has the thread end.
            private static void RunToDeath(Action action)
            {
                int id = 0;
                Threads.Run(1, _ =>
                {
                    id = KernelThreads.CurrentId();
                    action();
                });
                Patience.Until(() => KernelThreads.IsDead(KernelThreads.ProcessId(), id), "the thread is dead");
            }

            private const BindingFlags All =
                BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static;
        }
    }
}
