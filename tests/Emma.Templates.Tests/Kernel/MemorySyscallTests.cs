using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The system calls on memory: raw results and errors of the real kernel, in both ways to reach it.</summary>
        [Trait("Runs", "Everywhere")]
        public sealed class MemorySyscallTests
        {
            private const nuint Page = AddressSpace.SmallestPage;

            private const int ErrorBadAddress = 14;

            public static TheoryData<KernelAccess> Ways => new(KernelAccess.Trampolines, KernelAccess.Libc);

            [Theory]
            [MemberData(nameof(Ways))]
            public void Mmap_gives_the_free_address_it_was_asked_for_and_zeroed_memory(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(4);
                Expect.Equal((nint)address, MapPages(address, 4));
                Expect.True(Pattern.IsZero((void*)address, 4 * Page));
                new Span<byte>((void*)address, (int)(4 * Page)).Fill(1);
                Expect.Equal(0, Syscalls.Munmap(address, 4 * Page));
                Expect.False(ProcessMaps.IsMapped(address));
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Mmap_over_a_mapping_is_EEXIST_and_changes_nothing(KernelAccess way)
            {
                Assumption.RealKernel("qemu 7.2 takes the address as a hint, as a kernel before 4.17 does.");
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(2);
                MapPages(address, 2);
                *(int*)address = 42;
                Expect.Equal(-Syscalls.ErrorExists, MapPages(address, 1));
                Expect.Equal(42, *(int*)address);
                Syscalls.Munmap(address, 2 * Page);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Mmap_refuses_bad_arguments(KernelAccess way)
            {
                Assumption.RealKernel("qemu 7.2 takes the address as a hint, as a kernel before 4.17 does.");
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(2);
                Expect.Equal(-Failure.Invalid, Syscalls.Mmap(address, 0, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress));
                Expect.Equal(-Failure.Invalid, Syscalls.Mmap(address + 1, Page, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress));
                nint tooLarge = Syscalls.Mmap(address, (nuint)1 << 60, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress);
                Expect.Equal(-Failure.NoMemory, tooLarge);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Munmap_takes_parts_and_gaps_and_refuses_odd_addresses(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(4);
                MapPages(address, 4);
                Expect.Equal(0, Syscalls.Munmap(address + Page, Page));
                Expect.Equal(3 * Page, ProcessMaps.BytesIn(address, address + 4 * Page));
                Expect.Equal(0, Syscalls.Munmap(address, 4 * Page));
                Expect.Equal(0, Syscalls.Munmap(address, 4 * Page));
                Expect.Equal(-Failure.Invalid, Syscalls.Munmap(address + 1, Page));
                Expect.Equal(-Failure.Invalid, Syscalls.Munmap(address, 0));
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Mremap_in_place_grows_into_free_addresses_only(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(4);
                MapPages(address, 1);
                Expect.Equal((nint)address, Syscalls.Mremap(address, Page, 2 * Page, 0, 0));
                Syscalls.Mmap(address + 2 * Page, Page, Syscalls.ProtNone, Syscalls.MapAtFreeAddress);
                Expect.Equal(-Failure.NoMemory, Syscalls.Mremap(address, 2 * Page, 4 * Page, 0, 0));
                Expect.Equal((nint)address, Syscalls.Mremap(address, 2 * Page, Page, 0, 0));
                Expect.False(ProcessMaps.IsMapped(address + Page));
                Syscalls.Munmap(address, 4 * Page);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Mremap_moves_pages_onto_a_reserved_target(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(8);
                nuint target = address + 4 * Page;
                MapPages(address, 2);
                Pattern.Write((void*)address, 2 * Page, 5);
                Expect.Equal((nint)target, Syscalls.Mmap(target, 4 * Page, Syscalls.ProtNone, Syscalls.MapAtFreeAddress));

                const int moveThere = Syscalls.MremapMayMove | Syscalls.MremapFixed;
                Expect.Equal((nint)target, Syscalls.Mremap(address, 2 * Page, 4 * Page, moveThere, target));
                Expect.False(ProcessMaps.IsMapped(address));
                Expect.Equal(-1, Pattern.FirstDifference((void*)target, 2 * Page, 5));
                Expect.True(Pattern.IsZero((void*)(target + 2 * Page), 2 * Page));
                Syscalls.Munmap(target, 4 * Page);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Mremap_of_nothing_is_EFAULT_and_of_odd_addresses_EINVAL(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(2);
                Expect.Equal(-ErrorBadAddress, Syscalls.Mremap(address, Page, 2 * Page, 0, 0));
                Expect.Equal(-Failure.Invalid, Syscalls.Mremap(address + 1, Page, 2 * Page, 0, 0));
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Madvise_discards_pages_but_not_locked_ones(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(1);
                MapPages(address, 1);
                *(int*)address = 7;
                Expect.Equal(0, Libc.Lock((void*)address, Page));
                Expect.Equal(-Failure.Invalid, Syscalls.Madvise(address, Page, Syscalls.MadvDontNeed));
                Expect.Equal(7, *(int*)address);
                Expect.Equal(0, Libc.Unlock((void*)address, Page));
                Expect.Equal(0, Syscalls.Madvise(address, Page, Syscalls.MadvDontNeed));
                Expect.Equal(0, *(int*)address);
                Syscalls.Munmap(address, Page);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void Madvise_of_nothing_is_ENOMEM_and_unknown_advice_EINVAL(KernelAccess way)
            {
                Assumption.RealKernel("qemu takes no notice of advice that it does not know.");
                using var mode = new KernelMode(way);
                nuint address = FreeAddress(1);
                Expect.Equal(-Failure.NoMemory, Syscalls.Madvise(address, Page, Syscalls.MadvDontNeed));
                MapPages(address, 1);
                Expect.Equal(-Failure.Invalid, Syscalls.Madvise(address, Page, 12345));
                Syscalls.Munmap(address, Page);
            }

            [Theory]
            [MemberData(nameof(Ways))]
            public void GetRandom_fills_the_buffer_and_reports_a_bad_one(KernelAccess way)
            {
                using var mode = new KernelMode(way);
                byte* buffer = stackalloc byte[64];
                Expect.Equal(64, Syscalls.GetRandom(buffer, 64));
                Expect.False(Pattern.IsZero(buffer, 64));
                Expect.Equal(0, Syscalls.GetRandom(buffer, 0));
                Expect.Equal(-ErrorBadAddress, Syscalls.GetRandom((void*)8, 16));
            }

            private static nint MapPages(nuint address, nuint pages) =>
                Syscalls.Mmap(address, pages * Page, Syscalls.ProtReadWrite, Syscalls.MapAtFreeAddress);

            private static nuint FreeAddress(nuint pages)
            {
                HeapState.EnsureRunning();
                // Addresses between the heap's windows and the kernel's own choices: nobody else maps there.
                nuint address = unchecked((nuint)0x6100_0000_0000UL) + (nuint)Random.Shared.Next(1 << 20) * 16 * Page;
                Expect.Equal((nuint)0, ProcessMaps.BytesIn(address, address + pages * Page));
                return address;
            }
        }
    }
}
