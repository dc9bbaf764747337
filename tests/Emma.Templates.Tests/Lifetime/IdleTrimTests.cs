using System.Diagnostics;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public sealed class IdleTrimTests : HeapTest
        {
            private const int MostRounds = 100;

            [Fact]
            public void An_idle_heap_gives_its_memory_back_after_collections_of_the_oldest_generation()
            {
                nuint atMost = 0;
                // What a thread that lives on keeps for itself stays with it.
                Thread thread = new Thread(() => atMost = UseMuch());
                thread.Start();
                thread.Join();

                int rounds = 0;
                while (GetStatistics().Segments > 0 && rounds++ < MostRounds)
                    CollectOldest();

                HeapStatistics s = GetStatistics();
                Expect.True(s.Segments == 0, $"{s.Segments} segments of {atMost >> 22} are mapped after {MostRounds} collections");
                Expect.Equal((nuint)0, (nuint)s.CachedBytes);
                Expect.True((nuint)s.MappedBytes < atMost / 8, $"{(nuint)s.MappedBytes} of {atMost} bytes are mapped");
                AssertStatisticsAddUp();
            }

            [Fact]
            public void Three_looks_at_an_idle_heap_give_all_of_it_back()
            {
                const int runs = 100;
                const nuint size = 1500 << 10;
                // Or frees would have discarded most.
                Segments->LeastKeptPages = int.MaxValue;
                void*[] all = new void*[runs];
                for (int i = 0; i < runs; i++)
                    all[i] = Alloc(size);
                void*[] pins = new void*[runs];
                for (int i = 0; i < runs; i++)
                    pins[i] = Alloc(100 << 10);
                for (int i = 0; i < runs; i++)
                    Free(all[i]);

                nuint dirty = DirtyFreeBytes();
                Expect.True(dirty > 20 * Segment.Size / 4, $"only {dirty} dirty bytes are free");
                for (int look = 0; look < 3; look++)
                    CollectOldest();
                Expect.Equal((nuint)0, DirtyFreeBytes());
                for (int i = 0; i < runs; i++)
                    Free(pins[i]);
            }

            [Fact]
            public void A_heap_in_use_keeps_its_memory()
            {
                for (int i = 0; i < 5; i++)
                {
                    Free(Alloc(3 << 20));
                    CollectOldest();
                    Expect.Equal((nuint)3, (nuint)GetStatistics().CachedBytes >> 20);
                }
            }

            [Fact]
            public void A_collection_trims_nothing_while_the_heap_is_being_destroyed()
            {
                Free(Alloc(3 << 20));
                long kept = GetStatistics().CachedBytes;
                State->Trimming.Acquire();
                for (int i = 0; i < 3; i++)
                    CollectOldest();
                long meanwhile = GetStatistics().CachedBytes;
                State->Trimming.Release();
                Expect.Equal(kept, meanwhile);

                CollectOldest();
                CollectOldest();
                Expect.Equal(0, GetStatistics().CachedBytes);
            }

            [Fact]
            public void Looks_at_an_idle_heap_give_everything_back_in_the_end() =>
                ChildProcess.MustSucceed(nameof(Scenarios.TimeIdleTrims));

            private static nuint UseMuch()
            {
                const int blocks = 40_000;
                const nuint size = 1000;
                void*[] all = new void*[blocks];
                for (int i = 0; i < blocks; i++)
                    all[i] = Alloc(size);
                void* large = Alloc(8 << 20);
                nuint mapped = (nuint)GetStatistics().MappedBytes;
                // Every other one first, so that no segment is empty before the last are freed.
                for (int i = 0; i < blocks; i += 2)
                    Free(all[i]);
                for (int i = 1; i < blocks; i += 2)
                    Free(all[i]);
                Free(large);
                return mapped;
            }

            private static nuint DirtyFreeBytes()
            {
                nuint bytes = 0;
                SlotWalk walk = Space->Walk();
                for (nuint address = walk.Next(SlotKind.Segment); address != 0; address = walk.Next(SlotKind.Segment))
                    bytes += (nuint)ulong.PopCount(((Segment*)address)->FreePages & ((Segment*)address)->DirtyPages) << Segment.PageShift;
                return bytes;
            }

            private static void CollectOldest()
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }

        public static partial class Scenarios
        {
            /// <summary>
            /// Prints how long one look at an idle heap takes, the longest first, for a heap whose caches, depots and segments have as much
            /// as they may to give back.
            /// </summary>
            public static void TimeIdleTrims()
            {
                List<double> microseconds = [];
                for (int round = 0; round < 5; round++)
                {
                    FillAndFree();
                    while (true)
                    {
                        long start = Stopwatch.GetTimestamp();
                        nuint given = TrimSome(IdleTrim.MaxMagazines, IdleTrim.MaxSegments);
                        microseconds.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
                        if (given == 0)
                            break;
                    }
                }

                Expect.Equal((0, (nuint)0), (GetStatistics().Segments, (nuint)GetStatistics().CachedBytes));
                microseconds.Sort();
                Console.WriteLine($"{microseconds.Count} looks: longest {microseconds[^1]:F0} µs, median " +
                    $"{microseconds[microseconds.Count / 2]:F0} µs");
            }

            private static void FillAndFree()
            {
                List<nint> blocks = [];
                for (int sizeClass = 1; sizeClass <= SizeClasses.Count; sizeClass++)
                {
                    nuint size = SizeClasses.SizeOf(sizeClass);
                    for (nuint bytes = 0; bytes < (2 << 20); bytes += size)
                    {
                        byte* block = (byte*)Alloc(size);
                        *block = 1;
                        blocks.Add((nint)block);
                    }
                }

                // Every other one first, so that many segments are half empty before the last are freed.
                for (int i = 0; i < blocks.Count; i += 2)
                    Free((void*)blocks[i]);
                for (int i = 1; i < blocks.Count; i += 2)
                    Free((void*)blocks[i]);
            }
        }
    }
}
