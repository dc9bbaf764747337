using System.Buffers;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Memory of the heap behind <see cref="Memory{T}"/>: who has it, and when it goes.</summary>
        public sealed class OwnerTests : HeapTest
        {
            private const int MaxBytesOfARent = 48;

            [Theory]
            [InlineData(0)]
            [InlineData(1)]
            [InlineData(1000)]
            [InlineData(100_000)]
            [InlineData(3_000_000)]
            public void A_rent_has_exactly_the_elements_that_were_asked_for_and_its_block_goes_with_the_owner(int length)
            {
                foreach (Func<IMemoryOwner<int>> rent in
                    (Func<IMemoryOwner<int>>[])[() => Rent<int>(length), () => RentZeroed<int>(length), () => RentPooled<int>(length)])
                {
                    IMemoryOwner<int> owner = rent();
                    Expect.Equal(length, owner.Memory.Length);
                    owner.Memory.Span.Fill(7);
                    fixed (int* first = owner.Memory.Span)
                        Expect.True(length == 0 || Owns(first));
                    Expect.Equal(1, GetStatistics().LiveBlocks);
                    Expect.Equal(1, GetStatistics().LiveOwners);
                    owner.Dispose();
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                    Expect.Equal(0, GetStatistics().LiveOwners);
                }
            }

            [Fact]
            public void Zeroed_elements_are_zero_also_where_others_were()
            {
                for (int round = 0; round < 20; round++)
                {
                    using IMemoryOwner<long> owner = RentZeroed<long>(500);
                    Expect.Equal(-1, owner.Memory.Span.IndexOfAnyExcept(0L));
                    owner.Memory.Span.Fill(-1);
                }
            }

            [Fact]
            public void A_negative_length_and_one_that_no_heap_has_are_refused_and_nothing_is_out()
            {
                Expect.Throws<ArgumentOutOfRangeException>(() => Rent<int>(-1));
                Expect.Throws<ArgumentOutOfRangeException>(() => RentZeroed<int>(-1));
                Expect.Throws<ArgumentOutOfRangeException>(() => RentPooled<int>(-1));
                MemoryLimit = 4 << 20;
                try
                {
                    Expect.Throws<OutOfMemoryException>(() => Rent<long>(int.MaxValue));
                    Expect.Throws<OutOfMemoryException>(() => RentZeroed<long>(int.MaxValue));
                    Expect.Throws<OutOfMemoryException>(() => RentPooled<long>(int.MaxValue));
                    Expect.Throws<OutOfMemoryException>(() => Pool.Rent(int.MaxValue / 2));
                }
                finally
                {
                    MemoryLimit = 0;
                }

                Expect.Equal(0, GetStatistics().LiveOwners);
            }

            [Fact]
            public void A_second_Dispose_does_nothing_and_a_stale_Memory_throws()
            {
                IMemoryOwner<byte> owner = Rent<byte>(100);
                Memory<byte> memory = owner.Memory;
                owner.Dispose();
                using IMemoryOwner<byte> next = Rent<byte>(100);
                owner.Dispose();
                Expect.Equal(1, GetStatistics().LiveBlocks);
                Expect.Throws<ObjectDisposedException>(() => memory.Span.Length);
                Expect.Throws<ObjectDisposedException>(() => memory.Pin());
                Expect.Throws<ObjectDisposedException>(() => owner.Memory);
            }

            [Fact]
            public void The_block_of_a_pinned_Memory_goes_with_the_last_pin()
            {
                IMemoryOwner<byte> owner = Rent<byte>(100);
                Memory<byte> memory = owner.Memory;
                MemoryHandle first = memory.Pin();
                MemoryHandle second = memory[10..].Pin();
                Expect.Equal((nuint)first.Pointer + 10, (nuint)second.Pointer);
                Expect.Equal(2, GetStatistics().LivePins);
                owner.Dispose();
                first.Dispose();
                *(byte*)second.Pointer = 1;
                Expect.Equal(1, GetStatistics().LiveBlocks);
                Expect.Equal(1, GetStatistics().LiveOwners);
                Expect.Throws<ObjectDisposedException>(() => memory.Pin());
                second.Dispose();
                second.Dispose();
                Expect.Equal(0, GetStatistics().LiveBlocks);
                Expect.Equal(0, GetStatistics().LiveOwners);
                Expect.Equal(0, GetStatistics().LivePins);
            }

            [Fact]
            public void A_pin_that_is_undone_twice_is_refused_the_second_time()
            {
                using IMemoryOwner<byte> owner = Rent<byte>(100);
                MemoryHandle pin = owner.Memory.Pin();
                MemoryHandle copy = pin;
                pin.Dispose();
                Expect.Throws<InvalidOperationException>(() => copy.Dispose());
                Expect.Equal(1, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void A_pin_may_be_behind_the_last_element_and_not_further()
            {
                using IMemoryOwner<byte> owner = Rent<byte>(100);
                Expect.True(MemoryMarshal.TryGetMemoryManager<byte, MemoryManager<byte>>(owner.Memory, out MemoryManager<byte>? manager));
                manager!.Pin(100).Dispose();
                Expect.Throws<ArgumentOutOfRangeException>(() => manager.Pin(101));
                Expect.Throws<ArgumentOutOfRangeException>(() => manager.Pin(-1));
                Expect.Equal(0, GetStatistics().LivePins);
            }

            [Fact]
            public void A_stale_pooled_owner_is_refused_and_its_Dispose_does_nothing_though_its_object_is_in_use_again()
            {
                HeapPooledMemory<int> stale = RentPooled<int>(100);
                HeapPooledMemory<int> copy = stale;
                Memory<int> memory = stale.Memory;
                stale.Dispose();
                Expect.Throws<ObjectDisposedException>(() => memory.Span.Length);
                using HeapPooledMemory<int> next = RentPooled<int>(50);
                Expect.True(MemoryMarshal.TryGetMemoryManager<int, MemoryManager<int>>(next.Memory, out MemoryManager<int>? second));
                Expect.True(MemoryMarshal.TryGetMemoryManager<int, MemoryManager<int>>(memory, out MemoryManager<int>? first));
                Expect.Same(first, second);

                stale.Dispose();
                copy.Dispose();
                ((IDisposable)second!).Dispose();
                Expect.Throws<ObjectDisposedException>(() => stale.Memory);
                Expect.Throws<ObjectDisposedException>(() => copy.Span.Length);
                Expect.Equal(50, next.Span.Length);
                Expect.Equal(1, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void A_pinned_pooled_owner_is_not_used_again_before_its_last_pin_is_gone()
            {
                HeapPooledMemory<int> pinned = RentPooled<int>(10);
                MemoryHandle pin = pinned.Memory.Pin();
                pinned.Dispose();
                for (int i = 0; i < 300; i++)
                {
                    using HeapPooledMemory<int> other = RentPooled<int>(10);
                    other.Span.Fill(i);
                    fixed (int* first = other.Span)
                        Expect.True(first != pin.Pointer);
                }

                pin.Dispose();
                Expect.Equal(0, GetStatistics().LiveOwners);
            }

            [Fact]
            public void The_default_pooled_owner_owns_nothing()
            {
                HeapPooledMemory<int> none = default;
                none.Dispose();
                Expect.Throws<ObjectDisposedException>(() => none.Memory);
                Expect.Throws<ObjectDisposedException>(() => none.Span.Length);
            }

            [Fact]
            public void A_rent_takes_no_more_than_48_bytes_of_the_managed_heap()
            {
                const int rents = 1000;
                Rent<byte>(100).Dispose();
                long before = GC.GetAllocatedBytesForCurrentThread();
                for (int i = 0; i < rents; i++)
                    Rent<byte>(100).Dispose();
                Expect.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, rents * MaxBytesOfARent);
                before = GC.GetAllocatedBytesForCurrentThread();
                for (int i = 0; i < rents; i++)
                    Pool.Rent().Dispose();
                Expect.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, rents * MaxBytesOfARent);
            }

            [Fact]
            public void A_pooled_rent_allocates_nothing_however_many_are_out_up_to_what_is_kept()
            {
                var owners = new HeapPooledMemory<byte>[OwnerPool<byte>.Capacity];
                RentAll(owners);
                long before = GC.GetAllocatedBytesForCurrentThread();
                for (int round = 0; round < 10; round++)
                    RentAll(owners);
                Expect.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            }

            [Fact]
            public void Threads_rent_pin_and_dispose_what_others_rented_and_nothing_is_left()
            {
                var shared = new HeapPooledMemory<int>[64];
                object[] locks = [.. Enumerable.Range(0, shared.Length).Select(_ => new object())];
                Threads.Run(4, thread =>
                {
                    Random random = new Random(thread);
                    for (int i = 0; i < 20_000; i++)
                    {
                        int at = random.Next(shared.Length);
                        HeapPooledMemory<int> mine = RentPooled<int>(1 + random.Next(100));
                        mine.Span.Fill(at);
                        HeapPooledMemory<int> other;
                        lock (locks[at])
                        {
                            other = shared[at];
                            shared[at] = mine;
                        }

                        if (i % 5 == 0 && i > shared.Length * 20)
                            EndWhilePinned(other, at);
                        other.Dispose();
                    }
                });
                Array.ForEach(shared, owner => owner.Dispose());
                Expect.Equal(0, GetStatistics().LiveOwners);
                Expect.Equal(0, GetStatistics().LivePins);
                Expect.Equal(0, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void Of_many_threads_that_dispose_one_owner_one_frees()
            {
                for (int round = 0; round < 50; round++)
                {
                    IMemoryOwner<byte> owner = Rent<byte>(100);
                    MemoryHandle pin = owner.Memory.Pin();
                    Threads.Run(4, thread =>
                    {
                        if (thread == 0)
                            pin.Dispose();
                        owner.Dispose();
                    });
                    Expect.Equal(0, GetStatistics().LiveBlocks);
                    Expect.Equal(0, GetStatistics().LiveOwners);
                }
            }

            [Fact]
            public void Owners_of_before_Destroy_free_nothing_and_are_refused()
            {
                IMemoryOwner<byte> owner = Rent<byte>(100);
                HeapPooledMemory<byte> pooled = RentPooled<byte>(100);
                IMemoryOwner<byte> pinned = Rent<byte>(100);
                MemoryHandle pin = pinned.Memory.Pin();
                Memory<byte> memory = owner.Memory;
                Destroy();
                Expect.Equal(0, GetStatistics().LiveOwners);
                Expect.Equal(0, GetStatistics().LivePins);
                using IMemoryOwner<byte> next = Rent<byte>(100);
                Expect.Throws<ObjectDisposedException>(() => memory.Span.Length);
                Expect.Throws<ObjectDisposedException>(() => pooled.Memory);
                owner.Dispose();
                pooled.Dispose();
                pin.Dispose();
                pinned.Dispose();
                Expect.Equal(1, GetStatistics().LiveOwners);
                Expect.Equal(0, GetStatistics().LivePins);
                Expect.Equal(1, GetStatistics().LiveBlocks);
            }

            [Fact]
            public void What_is_out_is_in_the_line_of_the_statistics_and_nothing_else_is()
            {
                Expect.DoesNotContain("owners", GetStatistics().ToString());
                using IMemoryOwner<byte> owner = Rent<byte>(100);
                using HeapArena arena = CreateArena();
                Expect.Contains("; 1 owners, 1 arenas out", GetStatistics().ToString());
            }

            private static void RentAll(HeapPooledMemory<byte>[] owners)
            {
                for (int i = 0; i < owners.Length; i++)
                    owners[i] = RentPooled<byte>(10 + i);
                for (int i = 0; i < owners.Length; i++)
                    owners[i].Dispose();
            }

            private static void EndWhilePinned(HeapPooledMemory<int> owner, int mark)
            {
                if (owner.Equals(default(HeapPooledMemory<int>)))
                    return;
                using MemoryHandle pin = owner.Memory.Pin();
                owner.Dispose();
                Expect.Equal(mark, *(int*)pin.Pointer);
            }
        }
    }
}
