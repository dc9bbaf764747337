using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What a thread that dies, at whatever instruction, leaves to those who find its cache.</summary>
        public sealed class CacheProtocolTests : FewCachesTest
        {
            [Fact]
            public void At_every_instruction_each_block_is_in_one_place_or_the_cache_is_marked_as_being_changed() =>
                ChildProcess.MustSucceed(nameof(Scenarios.UseCacheStepByStep), EachInstruction.QuietRuntime);

            [Fact]
            public void A_cache_joins_the_list_though_others_join_at_every_instruction_and_none_falls_off() =>
                ChildProcess.MustSucceed(nameof(Scenarios.AddCacheBesideOthers), EachInstruction.QuietRuntime);

            [Fact]
            public void While_a_dead_threads_cache_is_emptied_it_is_marked_and_belongs_to_the_thread_that_empties_it()
            {
                const nuint size = 64;
                nuint left = 0;
                Crew.RunOne(() =>
                {
                    Free(Alloc(size));
                    left = (nuint)CacheInternals.Own;
                });
                // Where a thread gives blocks back, it waits for this one.
                Lock* bin = (Lock*)Unsafe.AsPointer(ref CacheInternals.LockOf(ref *Bin.Of(SizeClasses.Of(size))));
                int emptier = 0, owner = 0, marked = 0, waits = 0;
                bin->Acquire();
                using (new KernelWatch(call =>
                {
                    if (!call.IsSleepOn(bin))
                        return null;
                    waits++;
                    owner = CacheOwner.IdIn(((ThreadCache*)left)->Owner.Word);
                    marked = CacheInternals.ChangingOf(left);
                    *(long*)bin = 0;
                    return KernelWatch.TimedOut;
                }))
                {
                    Crew.RunOne(() =>
                    {
                        emptier = CurrentThread.Id;
                        Giving->Acquire();
                        int checks = 100;
                        CacheInternals.List.ReclaimDead(ref checks, int.MaxValue);
                        Giving->Release();
                    });
                }

                Expect.Equal((1, emptier, 1), (waits, owner, marked));
                Expect.Equal((nuint)0, CacheInternals.BytesIn((ThreadCache*)left));
                Expect.Equal(0, CacheOwner.IdIn(((ThreadCache*)left)->Owner.Word));
            }
        }

        public static partial class Scenarios
        {
            /// <summary>
            /// Goes through every way that a cache is changed, with blocks so large that magazines and depots are soon full.
            /// </summary>
            public static void UseCacheStepByStep()
            {
                Free(Alloc(CacheSteps.Size));
                // Each way once, to be compiled.
                foreach (bool stepped in (bool[])[false, true])
                {
                    UseCache(stepped, CacheCaller.Net);
                    UseCache(stepped, CacheCaller.Methods);
                    UseCache(stepped, CacheCaller.C);
                }
            }

            private enum CacheCaller
            {
                Net,
                Methods,
                C,
            }

            private static void UseCache(bool stepped, CacheCaller caller)
            {
                // More than two magazines and the depot have room for.
                const int count = 2 * 2 + Depot.MaxBytes / CacheSteps.Size + 4;
                Trim();
                CacheSteps.Begin();
                // The second time, the depot has magazines; what is code of methods alone, or of C's, is done with after the first.
                for (int round = 0; round < (caller == CacheCaller.Net ? 2 : 1); round++)
                {
                    for (int i = 0; i < count; i++)
                    {
                        nuint block = 0;
                        Step(stepped, +1, 0, $"allocation {i}", () => block = caller switch
                        {
                            CacheCaller.Methods => CacheSteps.Take(),
                            CacheCaller.C => (nuint)CacheSteps.s_malloc(CacheSteps.Size),
                            _ => (nuint)Alloc(CacheSteps.Size),
                        });
                        CacheSteps.s_inHand[CacheSteps.s_count++] = block;
                    }

                    // The oldest first: it is not the one that lies in the slot yet.
                    for (int i = 0; i < count; i++)
                    {
                        nuint block = CacheSteps.s_inHand[0];
                        Step(stepped, -1, block, $"free {i}", caller switch
                        {
                            CacheCaller.Methods => () => CacheSteps.Give(block),
                            CacheCaller.C => () => CacheSteps.s_free((void*)block),
                            _ => () => Free((void*)block),
                        });
                        CacheSteps.s_count--;
                        new Span<nuint>(CacheSteps.s_inHand + 1, CacheSteps.s_count)
                            .CopyTo(new Span<nuint>(CacheSteps.s_inHand, CacheSteps.s_count));
                    }
                }

                Giving->Acquire();
                Step(stepped, 0, 0, "emptying", () => ThreadCache.Empty(CacheSteps.s_cache));
                Giving->Release();
            }

            private static void Step(bool stepped, int change, nuint moving, string what, Action operation)
            {
                if (!stepped)
                {
                    operation();
                    return;
                }

                CacheSteps.s_change = change;
                CacheSteps.s_moving = moving;
                EachInstruction.Run(&CacheSteps.Look, operation);
                Expect.True(CacheSteps.s_broken == null, $"{what}: {Marshal.PtrToStringUTF8((nint)CacheSteps.s_broken)}");
            }

            /// <summary>
            /// A thread gets a cache; from when it is made on, other caches join the list at each instruction, for a while.
            /// </summary>
            public static void AddCacheBesideOthers()
            {
                Free(Alloc(64));
                Crew.RunOne(() => Free(Alloc(64)));
                CacheInternals.SetList([]);
                CacheSteps.BeginToAdd();
                nuint own = 0;
                Crew.RunOne(() => EachInstruction.Run(&CacheSteps.AddOther, () => own = (nuint)CacheInternals.List.Current()));
                List<nuint> all = CacheInternals.All();
                Expect.Contains(own, all);
                Expect.Equal(CacheSteps.Others, CacheSteps.s_added);
                for (int i = 0; i < CacheSteps.Others; i++)
                    Expect.True(all.Contains((nuint)(CacheSteps.s_others + i)), $"cache {i} has fallen off the list");
            }

            private static class CacheSteps
            {
                internal const int Size = 32 * 1024;
                internal const int Others = 60;

                // Where a cache's tops begin, as the machine code knows it.
                private const int TopsOffset = 0x20;

                internal static ThreadCache* s_cache;
                internal static nuint* s_inHand;
                internal static int s_count, s_change;
                internal static nuint s_moving;
                internal static byte* s_broken;
                internal static ThreadCache* s_others;
                internal static int s_added;
                internal static delegate* unmanaged[Cdecl]<nuint, void*> s_malloc;
                internal static delegate* unmanaged[Cdecl]<void*, void> s_free;

                private static int* s_changing;
                private static ulong* s_loaded;
                private static ulong* s_spare;
                private static ulong s_sentinel;
                private static Bin* s_bin;
                private static Depot* s_depot;
                private static long s_liveElsewhere;
                private static nint* s_first;
                private static int* s_caches;

                internal static void Begin()
                {
                    int sizeClass = SizeClasses.Of(Size);
                    s_malloc = Callbacks.Malloc;
                    s_free = Callbacks.Free;
                    s_inHand = (nuint*)NativeMemory.AllocZeroed(100, (nuint)sizeof(nuint));
                    s_count = 0;
                    s_cache = CacheInternals.Own;
                    s_changing = (int*)Unsafe.AsPointer(ref CacheInternals.ChangingOf((nuint)s_cache));
                    s_loaded = (ulong*)((byte*)s_cache + TopsOffset) + sizeClass;
                    s_spare = s_loaded + PageMap.Count;
                    s_sentinel = SmallBlocks.SentinelTop;
                    s_bin = Bin.Of(sizeClass);
                    s_depot = SmallBlocks.DepotOf(sizeClass);
                    s_liveElsewhere = s_bin->Live;
                    Expect.Equal(0L, s_liveElsewhere);
                }

                internal static nuint Take()
                {
                    void* block = ThreadCache.TryTake(s_cache, (nuint)SizeClasses.Of(Size));
                    return block != null ? (nuint)block : (nuint)Alloc(Size);
                }

                internal static void Give(nuint block)
                {
                    if (!ThreadCache.TryGive(s_cache, (void*)block))
                        Free((void*)block);
                }

                internal static void Look(InterruptedThread* thread)
                {
                    if (s_broken != null || *s_changing != 0)
                        return;

                    long inHand = s_bin->Live - CountAt(*s_loaded) - CountAt(*s_spare) - s_depot->CachedBytes / Size;
                    if (inHand != s_count && inHand != s_count + s_change)
                        s_broken = Text("blocks are lost, or in two places, and the cache is not marked"u8);
                    LookInto(*s_loaded);
                    LookInto(*s_spare);
                }

                private static void LookInto(ulong top)
                {
                    for (int i = CountAt(top); i > 0; i--)
                    {
                        nuint block = ((nuint*)top)[-i];
                        if (block <= Magazine.Full)
                            s_broken = Text("the top stands above no block"u8);
                        for (int k = 0; k < s_count; k++)
                        {
                            if (s_inHand[k] == block && block != s_moving)
                                s_broken = Text("a block in use lies below the top"u8);
                        }
                    }
                }

                private static int CountAt(ulong top) => top == s_sentinel ? 0 : Magazine.CountAt(top);

                // The address of constant bytes, which do not move.
                private static byte* Text(ReadOnlySpan<byte> text) => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(text));

                internal static void BeginToAdd()
                {
                    s_others = (ThreadCache*)NativeMemory.AllocZeroed(Others, (nuint)sizeof(ThreadCache));
                    s_first = (nint*)Unsafe.AsPointer(ref CacheInternals.FirstOf(ref CacheInternals.List));
                    s_caches = (int*)Unsafe.AsPointer(ref CacheInternals.CountOf(ref CacheInternals.List));
                }

                internal static void AddOther(InterruptedThread* thread)
                {
                    if (*s_caches == 0 || s_added == Others)
                        return;

                    ThreadCache* other = s_others + s_added++;
                    other->Next = (ThreadCache*)*s_first;
                    *s_first = (nint)other;
                }
            }
        }
    }
}
