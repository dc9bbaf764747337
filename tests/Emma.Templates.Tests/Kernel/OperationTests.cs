using System.Diagnostics;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>Each operation that the heap asks an operating system for, on whichever one this is.</summary>
        [Trait("Runs", "Everywhere")]
        [Trait("Runs", "Windows")]
        public sealed class OperationTests
        {
            private const nuint Unit = VirtualMemory.Unit;

            // Whole pages of any kernel.
            private const nuint Bytes = 64 << 10;

            // Milliseconds.
            private const int Long = 60_000;
            private const int Short = 300;

            // Timers are as coarse as some systems' clocks.
            private const int ShortAtLeast = 250;

            public OperationTests() => HeapState.EnsureRunning();

            [Fact]
            public void Memory_is_mapped_where_it_was_asked_for_and_holds_zeros()
            {
                nuint place = FreePlace(2);
                Map(place, Unit + Bytes);
                Expect.True(Pattern.IsZero((void*)place, Unit + Bytes));
                new Span<byte>((void*)place, (int)(Unit + Bytes)).Fill(1);
                Expect.True(VirtualMemory.TryUnmap(place, Unit + Bytes));
                AssertNothingIn(place, 2);
            }

            [Fact]
            public void A_place_that_is_taken_is_refused_and_keeps_what_it_holds()
            {
                nuint place = FreePlace(2);
                nuint taken = place + Unit;
                Map(taken, Unit);
                *(int*)taken = 42;
                Expect.Equal(VirtualMemory.PlaceTaken, VirtualMemory.MapAt(taken, Unit, Unit));
                Expect.Equal(VirtualMemory.PlaceTaken, VirtualMemory.ReserveAt(taken, Unit));
                Expect.Equal(VirtualMemory.PlaceTaken, VirtualMemory.MapAt(place, 2 * Unit, 2 * Unit));
                Expect.Equal((nuint)0, ProcessMaps.BytesIn(place, taken));
                Expect.Equal(42, *(int*)taken);
                Expect.True(VirtualMemory.TryUnmap(taken, Unit));
                AssertNothingIn(place, 2);
            }

            [Fact]
            public void An_address_that_no_process_has_is_refused()
            {
                Assumption.RealKernel("qemu 7.2 takes the address as a hint, as a kernel before 4.17 does.");
                nint result = VirtualMemory.MapAt(unchecked((nuint)(1UL << 60)), Unit, Unit);
                Expect.True(result < 0 && result != VirtualMemory.PlaceTaken, $"{result}");
            }

            [Fact]
            public void A_mapping_is_cut_at_its_end_and_lengthened_where_it_lies()
            {
                nuint place = FreePlace(3);
                Map(place, 2 * Unit + Bytes);
                new Span<byte>((void*)place, (int)(2 * Unit + Bytes)).Fill(7);
                Expect.True(VirtualMemory.TryUnmap(place + Bytes, 2 * Unit));
                Expect.False(ProcessMaps.IsMapped(place + Bytes));
                Expect.Equal((nuint)0, ProcessMaps.BytesIn(place + Unit, place + 3 * Unit));

                Expect.True(VirtualMemory.TryLengthen(place, Bytes, Unit + Bytes));
                Expect.Equal(-1, new Span<byte>((void*)place, (int)Bytes).IndexOfAnyExcept((byte)7));
                Expect.True(Pattern.IsZero((void*)(place + Bytes), Unit));

                Map(place + 2 * Unit, Unit);
                Expect.False(VirtualMemory.TryLengthen(place, Unit + Bytes, 2 * Unit + Bytes));
                Expect.True(ProcessMaps.IsMapped(place + Unit + Bytes - 1));
                Expect.False(ProcessMaps.IsMapped(place + Unit + Bytes));
                Expect.True(VirtualMemory.TryUnmap(place + 2 * Unit, Unit));
                Expect.True(VirtualMemory.TryUnmap(place, Unit + Bytes));
                AssertNothingIn(place, 3);
            }

            [Fact]
            public void Memory_is_mapped_behind_a_mapping_within_its_last_unit()
            {
                nuint place = FreePlace(1);
                Map(place, Bytes);
                Expect.False(ProcessMaps.IsMapped(place + Bytes));
                Expect.True(VirtualMemory.TryMapBehind(place + Bytes, Bytes));
                Expect.True(Pattern.IsZero((void*)place, 2 * Bytes));
                Expect.True(VirtualMemory.TryUnmap(place, 2 * Bytes));
                AssertNothingIn(place, 1);
            }

            [Fact]
            public void Memory_that_is_mapped_by_the_piece_goes_as_a_whole()
            {
                nuint place = FreePlace(1) + Bytes;
                Expect.Equal((nint)place, VirtualMemory.MapPieceAt(place, 4 * Bytes));
                Expect.True(Pattern.IsZero((void*)place, 4 * Bytes));
                Expect.True(VirtualMemory.TryUnmapPiece(place, 4 * Bytes));
                Expect.Equal((nuint)0, ProcessMaps.BytesIn(place, place + 4 * Bytes));
            }

            [Fact]
            public void Pages_that_were_decommitted_are_zeros_when_they_are_committed_and_their_neighbours_are_as_they_were()
            {
                nuint place = FreePlace(2);
                Map(place, 2 * Unit);
                new Span<byte>((void*)place, (int)(2 * Unit)).Fill(7);
                // Of both units.
                nuint gone = place + Unit - Bytes;
                Expect.True(VirtualMemory.TryDecommit(gone, 2 * Bytes));
                Expect.True(VirtualMemory.TryCommit(gone, Bytes));
                Expect.True(VirtualMemory.TryCommit(gone + Bytes, Bytes));
                Expect.True(Pattern.IsZero((void*)gone, 2 * Bytes));
                // What is committed already keeps its contents.
                Expect.True(VirtualMemory.TryCommit(place, Unit));
                Expect.Equal(-1, new Span<byte>((void*)place, (int)(Unit - Bytes)).IndexOfAnyExcept((byte)7));
                Expect.Equal(-1, new Span<byte>((void*)(gone + 2 * Bytes), (int)(Unit - Bytes)).IndexOfAnyExcept((byte)7));
                Expect.True(VirtualMemory.TryUnmap(place, 2 * Unit));
            }

            [Fact]
            public void Pages_that_others_may_read_are_discarded_where_the_system_can_and_else_keep_what_they_have()
            {
                nuint place = FreePlace(1);
                Map(place, Unit);
                *(int*)place = 7;
                bool isDone = VirtualMemory.TryDiscard(place, Bytes);
                Expect.Equal(!OperatingSystem.IsWindows(), isDone);
                Expect.Equal(isDone ? 0 : 7, *(int*)place);
                Expect.True(VirtualMemory.TryUnmap(place, Unit));
            }

            [Fact]
            public void A_mapping_moves_with_its_pages_where_the_system_can_and_else_stays()
            {
                nuint place = FreePlace(4);
                nuint target = place + 2 * Unit;
                Map(place, Unit);
                Pattern.Write((void*)place, Unit, 5);
                Expect.Equal((nint)target, VirtualMemory.ReserveAt(target, 2 * Unit));
                bool isDone = VirtualMemory.TryMove(place, Unit, 2 * Unit, target);
                Expect.Equal(VirtualMemory.CanMove, isDone);
                Expect.Equal(-1, Pattern.FirstDifference((void*)(isDone ? target : place), Unit, 5));
                Expect.True(isDone ? Pattern.IsZero((void*)(target + Unit), Unit) : VirtualMemory.TryUnmap(place, Unit));
                Expect.True(VirtualMemory.TryUnmap(target, 2 * Unit));
                AssertNothingIn(place, 4);
            }

            [Fact]
            public void Pages_that_are_guarded_cannot_be_read_until_they_are_unguarded()
            {
                Assumption.RealKernel("qemu says yes to advice that it does not know.");
                nuint place = FreePlace(1);
                Map(place, Unit);
                new Span<byte>((void*)place, (int)Unit).Fill(7);
                if (VirtualMemory.TryGuard(place, Bytes))
                {
                    Expect.False(CanRead(place));
                    Expect.True(CanRead(place + Bytes));
                    Expect.True(VirtualMemory.TryUnguard(place, Bytes));
                    Expect.True(Pattern.IsZero((void*)place, Bytes));
                }
                else
                {
                    // Linux before 6.13.
                    Expect.True(VirtualMemory.TryProtect(place, Bytes, accessible: false));
                    Expect.True(VirtualMemory.TryProtect(place, Bytes, accessible: true));
                    Expect.Equal(7, *(byte*)place);
                }

                Expect.Equal(-1, new Span<byte>((void*)(place + Bytes), (int)(Unit - Bytes)).IndexOfAnyExcept((byte)7));
                Expect.True(VirtualMemory.TryUnmap(place, Unit));
            }

            [Fact]
            public void A_few_bytes_are_conceivable_and_more_than_there_are_addresses_are_not()
            {
                Expect.True(VirtualMemory.IsConceivable(Unit));
                Expect.False(VirtualMemory.IsConceivable(unchecked((nuint)(1UL << 60))));
            }

            [Fact]
            public void Numbers_are_drawn_at_random()
            {
                ulong first = 0, second = 0;
                Expect.True(VirtualMemory.TryDraw(&first) && VirtualMemory.TryDraw(&second));
                Expect.NotEqual(first, second);
            }

            [Fact]
            public void Threads_have_ids_and_the_living_are_told_from_the_dead()
            {
                int process = KernelThreads.ProcessId();
                int own = KernelThreads.CurrentId();
                Expect.NotEqual(0, own);
                Expect.Equal(own, KernelThreads.CurrentId());
                Expect.False(KernelThreads.IsDead(process, own));

                int other = 0;
                nint pin = 0;
                bool wasDead = true;
                Thread thread = new Thread(() =>
                {
                    other = KernelThreads.CurrentId();
                    KernelThreads.Pin(ref pin);
                    wasDead = KernelThreads.IsDead(process, other);
                });
                thread.Start();
                thread.Join();
                Expect.NotEqual(own, other);
                Expect.False(wasDead);
                Expect.Equal(KernelThreads.PinsIds, pin != 0);
                // Join returns a little before the kernel has forgotten the thread.
                Patience.Until(() => KernelThreads.IsDead(process, other), "the thread is dead");
                KernelThreads.Unpin(ref pin);
                Expect.Equal(0, pin);
            }

            [Fact]
            public void A_thread_sleeps_while_a_word_is_as_expected_and_no_longer_than_it_is_told()
            {
                int word = 3;
                Expect.False(KernelThreads.WaitInVain(&word, 4, Long));
                long begin = Stopwatch.GetTimestamp();
                Expect.True(KernelThreads.WaitInVain(&word, 3, Short));
                Expect.True(Stopwatch.GetElapsedTime(begin).TotalMilliseconds >= ShortAtLeast);
            }

            [Fact]
            public void A_thread_that_sleeps_on_a_word_is_woken()
            {
                int* word = (int*)NativeMemory.AllocZeroed(sizeof(int));
                bool isInVain = true;
                Thread sleeper = new Thread(() => isInVain = KernelThreads.WaitInVain(word, 0, Long));
                sleeper.Start();
                Patience.Until(
                    () =>
                    {
                        KernelThreads.WakeOne(word);
                        return sleeper.Join(0);
                    },
                    "the sleeper ends");
                Expect.False(isInVain);
                NativeMemory.Free(word);
            }

            [Fact]
            public void The_clock_runs_forwards_and_never_says_0()
            {
                long begin = KernelThreads.Milliseconds();
                Expect.True(begin > 0);
                Patience.Until(() => KernelThreads.Milliseconds() > begin, "the clock goes on");
            }

            private static void Map(nuint place, nuint length) =>
                Expect.Equal((nint)place, VirtualMemory.MapAt(place, length, length));

            private static void AssertNothingIn(nuint place, nuint units) =>
                Expect.Equal((nuint)0, ProcessMaps.BytesIn(place, place + units * Unit));

            private static bool CanRead(nuint address)
            {
                if (OperatingSystem.IsWindows())
                    return WindowsMaps.CanRead(address);

                using Microsoft.Win32.SafeHandles.SafeFileHandle memory = File.OpenHandle("/proc/self/mem");
                try
                {
                    byte read;
                    return RandomAccess.Read(memory, new Span<byte>(&read, 1), (long)address) == 1;
                }
                catch (IOException)
                {
                    return false;
                }
            }

            // Between the heap's windows and the kernel's own choices: nobody else maps there.
            private static nuint FreePlace(nuint units)
            {
                nuint place = unchecked((nuint)0x6100_0000_0000UL) + (nuint)Random.Shared.Next(1 << 16) * 8 * Unit;
                AssertNothingIn(place, units);
                return place;
            }
        }
    }
}
