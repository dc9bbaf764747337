using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>What copies of the heap do in load contexts of their own: see <see cref="Emma.Templates.Tests.FreshCopy"/>.</summary>
        public static class PluginWork
        {
            internal const string StillMapped = "Emma.Templates.Tests.StillMapped";

            private static readonly List<object> s_kept = [];

            /// <summary>Uses every kind of memory and leaves much of it live.</summary>
            /// <returns>An address in each of the heap's mappings, the code page last.</returns>
            public static nuint[] UseEverything()
            {
                ShadowModel model = new ShadowModel(12, 16 << 20);
                model.Run(50);
                HeapArena arena = CreateArena();
                arena.Alloc(100);
                s_kept.AddRange([arena, Rent<byte>(100), RentPooled<int>(100), Pool.Rent(), CreateBufferWriter(100)]);
                RentPooled<int>(100).Dispose();
                void* small = Alloc(64);
                void* run = Alloc(1 << 20);
                void* large = Alloc(5 << 20);
                void* cached = Alloc(7 << 20);
                Free(cached);
                // So much alignment takes more addresses than one window has.
                void* far = null;
                for (int i = 0; i < 70; i++)
                    far = AlignedAlloc(4096, 1 << 30);
                return
                [
                    (nuint)small, (nuint)run, (nuint)large, (nuint)cached, (nuint)far, .. SlotsOf(SlotKind.Magazines),
                    (nuint)Space->Find((nuint)small), (nuint)Space->Find((nuint)far), KernelMode.CodeAddress,
                ];
            }

            /// <summary>Leaves blocks to objects that free them in their finalizers.</summary>
            public static nuint[] LeaveBlocksToFinalizers()
            {
                for (int i = 0; i < 50; i++)
                    s_kept.Add(new Owner((nuint)i * 20_000));
                s_kept.Add(new Owner(9 << 20));
                return [((Owner)s_kept[0]).Address, ((Owner)s_kept[^1]).Address, KernelMode.CodeAddress];
            }

            /// <summary>Leaves a block to an object that frees it two rounds of finalizers late.</summary>
            public static nuint[] LeaveBlocksToLateFinalizers()
            {
                Owner owner = new Owner(1000) { Rounds = 3 };
                s_kept.Add(owner);
                return [owner.Address, KernelMode.CodeAddress];
            }

            /// <summary>
            /// Leaves a block to an object that comes back to life in its finalizer, and in the next round tells the host, in
            /// <see cref="StillMapped"/>, whether its block is there.
            /// </summary>
            public static nuint[] LeaveABlockToTheNextRound()
            {
                Returner returner = new Returner();
                s_kept.Add(returner);
                return [returner.Address, KernelMode.CodeAddress];
            }

            /// <summary>The first allocation of many threads, all at once.</summary>
            /// <returns>The blocks.</returns>
            public static nuint[] FirstAllocationOf64Threads()
            {
                nuint[] blocks = new nuint[64];
                using var start = new Barrier(blocks.Length);
                Thread[] threads = Enumerable.Range(0, blocks.Length).Select(i => new Thread(() =>
                {
                    start.SignalAndWait();
                    blocks[i] = (nuint)Alloc((nuint)i * 100);
                })).ToArray();
                Array.ForEach(threads, thread => thread.Start());
                Array.ForEach(threads, thread => thread.Join());

                Window* window = Space->Find(blocks[0]);
                Expect.True(window != null && window->Next == null);
                foreach (nuint block in blocks)
                    Expect.True(window->Contains(block));
                Expect.Equal(blocks.Length, blocks.Distinct().Count());
                AssertStatisticsAddUp((void*)blocks[0]);
                return blocks;
            }

            /// <summary>One block of this copy's heap, for others to misuse.</summary>
            public static nuint[] OneBlock() => [(nuint)Alloc(100)];

            public static nuint[] OneLargeBlock() => [(nuint)Alloc(10 << 20)];

            public static nuint[] Nothing() => [];

            private sealed class Returner
            {
                internal readonly nuint Address = (nuint)Alloc(1000);

                private bool _returned;

                ~Returner()
                {
                    if (!_returned)
                    {
                        _returned = true;
                        GC.ReRegisterForFinalize(this);
                        return;
                    }

                    AppContext.SetData(StillMapped, ProcessMaps.IsMapped(Address));
                    Free((void*)Address);
                }
            }

            private sealed class Owner(nuint size)
            {
                internal readonly nuint Address = (nuint)Alloc(size);

                internal int Rounds { get; set; } = 1;

                ~Owner()
                {
                    if (--Rounds > 0)
                        GC.ReRegisterForFinalize(this);
                    else
                        Free((void*)Address);
                }
            }
        }
    }
}
