using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// What threads that make, take and discard magazines must leave to each other, at the instant at which they meet.
        /// </summary>
        public sealed class MagazineStoreRaceTests : HeapTest, IDisposable
        {
            private const int Capacity = 8;

            private readonly MagazineStore* _store;

            public MagazineStoreRaceTests()
            {
                Free(Alloc(1));
                _store = (MagazineStore*)NativeMemory.AllocZeroed((nuint)sizeof(MagazineStore));
            }

            private Lock* StoreLock => (Lock*)Unsafe.AsPointer(ref CacheInternals.LockOf(ref *_store));

            public new void Dispose()
            {
                base.Dispose();
                NativeMemory.Free(_store);
            }

            [NotOnWindows("magazines stay committed.")]
            [Fact]
            public void Discarded_magazines_stay_mapped_because_a_thread_that_was_overtaken_still_reads_one()
            {
                List<nuint> magazines = [.. Enumerable.Range(0, 5).Select(_ => (nuint)_store->Take(Capacity))];
                magazines.ForEach(magazine => _store->Give((Magazine*)magazine));
                Expect.Equal(_store->MappedBytes, _store->DiscardIfUnused());
                Expect.All(magazines, magazine => Expect.True(ProcessMaps.IsMapped(magazine)));
            }

            [Fact]
            public void A_magazine_that_is_taken_just_before_all_are_discarded_is_not_and_the_others_are_not_lost()
            {
                const ulong content = 4711;
                List<nuint> magazines = [.. Enumerable.Range(0, 5).Select(_ => (nuint)_store->Take(Capacity))];
                magazines.ForEach(magazine => _store->Give((Magazine*)magazine));
                Magazine* taken = null;
                nuint discarded = 1;
                WhileLocked(
                    () => discarded = _store->DiscardIfUnused(),
                    () =>
                    {
                        taken = _store->Take(Capacity);
                        *Magazine.Slots(taken) = content;
                    });
                Expect.Equal((nuint)0, discarded);
                Expect.Equal(content, *Magazine.Slots(taken));
                magazines.Remove((nuint)taken);
                Expect.Equal(magazines.Order(), magazines.Select(_ => (nuint)_store->Take(Capacity)).Order());
            }

            [Fact]
            public void Who_makes_a_magazine_waits_for_whoever_is_making_or_discarding_some_and_takes_what_that_one_leaves()
            {
                Magazine* only = _store->Take(Capacity);
                Magazine* taken = null;
                WhileLocked(() => taken = _store->Take(Capacity), () => _store->Give(only));
                Expect.Equal((nuint)only, (nuint)taken);
            }

            // Has a thread wait for the store's lock, do something when it does, and then gives it the lock.
            private void WhileLocked(Action body, Action meanwhile)
            {
                int waits = 0;
                nint word = (nint)StoreLock;
                StoreLock->Acquire();
                using (new KernelWatch(call =>
                {
                    if (!call.IsSleepOn((void*)word))
                        return null;
                    waits++;
                    meanwhile();
                    *(long*)word = 0;
                    return KernelWatch.TimedOut;
                }))
                {
                    Crew.RunOne(body);
                }

                Expect.Equal(1, waits);
            }
        }
    }
}
