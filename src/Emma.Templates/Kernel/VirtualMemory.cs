namespace Emma.Templates;

using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrOperatingSystem = global::System.OperatingSystem;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What the layers above ask an operating system for, as to memory; each system has a file that does it (Syscalls, WindowsKernel,
        // DarwinKernel). Which one it is, is a constant to the compiler. Lengths are bytes, whole pages of the kernel's; addresses of
        // mappings are multiples of Unit.
        // Linux and macOS hand out pages as they are touched. Windows has them reserved and committed: a mapping is committed as far as the
        // caller says, and what was decommitted is committed before it is handed out again, which may be refused.
        internal static class VirtualMemory
        {
            // What a mapping may be cut and lengthened by: on Windows each unit is a reservation of its own, so that it can go by itself.
            internal const nuint Unit = (nuint)4 << 20;

            // A result of MapAt and ReserveAt: others have mapped something there. Any other below 0 means that there is no memory, or no
            // such address.
            internal const int PlaceTaken = -Syscalls.ErrorExists;

            // Whether a mapping can be moved without its bytes.
            internal static bool CanMove
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrOperatingSystem.IsLinux();
            }

            // Whether pages are committed before they are used, and that may be refused.
            internal static bool CommitsPages
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrOperatingSystem.IsWindows();
            }

            // Whether a process may have so many mappings and no more.
            internal static bool CountsMappings
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrOperatingSystem.IsLinux();
            }

            // Maps fresh memory, zeros, at an address if nothing is there.
            // committed: So many bytes, from the address on, can be used at once; the rest are to be committed.
            // Returns: the address, or an error.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint MapAt(nuint address, nuint length, nuint committed) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.MapAt(address, length, committed)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.MapAt(address, length, DarwinKernel.ProtReadWrite)
                : Syscalls.MapAt(address, length, Syscalls.ProtReadWrite);

            // The same without access, for addresses that nobody else is to have.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint ReserveAt(nuint address, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.MapAt(address, length, 0)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.MapAt(address, length, DarwinKernel.ProtNone)
                : Syscalls.MapAt(address, length, Syscalls.ProtNone);

            // Unmaps whole units, or the end of one, of what MapAt has mapped. False: the kernel refuses, and nothing has changed.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryUnmap(nuint address, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryUnmap(address, length)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.TryUnmap(address, length)
                : Syscalls.Munmap(address, length) == 0;

            // As MapAt, at a multiple of 64 KiB, for what is unmapped as a whole only.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint MapPieceAt(nuint address, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.MapPieceAt(address, length, length)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.MapAt(address, length, DarwinKernel.ProtReadWrite)
                : Syscalls.MapAt(address, length, Syscalls.ProtReadWrite);

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryUnmapPiece(nuint address, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryUnmapPiece(address)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.TryUnmap(address, length)
                : Syscalls.Munmap(address, length) == 0;

            // Maps memory behind a mapping's end, within its last unit. False: the kernel refuses, or others are there.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryMapBehind(nuint end, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryCommit(end, length)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.MapAt(end, length, DarwinKernel.ProtReadWrite) == (nint)end
                : Syscalls.MapAt(end, length, Syscalls.ProtReadWrite) == (nint)end;

            // Lengthens a mapping where it lies; the units behind it are the caller's. False: the kernel refuses, or others are there, and
            // nothing has changed.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryLengthen(nuint address, nuint oldLength, nuint newLength) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryLengthen(address, oldLength, newLength)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.TryLengthen(address, oldLength, newLength)
                : Syscalls.Mremap(address, oldLength, newLength, 0, 0) == (nint)address;

            // Moves a mapping's pages to a longer place that the caller has reserved, where CanMove says so.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryMove(nuint address, nuint oldLength, nuint newLength, nuint target)
            {
                const int moveThere = Syscalls.MremapMayMove | Syscalls.MremapFixed;
                return ClrOperatingSystem.IsLinux() && Syscalls.Mremap(address, oldLength, newLength, moveThere, target) == (nint)target;
            }

            // Gives the kernel the contents of pages that nobody reads before they were committed, or unmapped: zeros then. False: it
            // refuses.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryDecommit(nuint address, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryDecommit(address, length)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.TryReplace(address, length, DarwinKernel.ProtReadWrite)
                : Syscalls.Discard(address, length) == 0;

            // The same for pages that others may read meanwhile, and find zeros. False: it refuses, and they have what they had; Windows
            // always does.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryDiscard(nuint address, nuint length) =>
                !ClrOperatingSystem.IsWindows()
                && (ClrOperatingSystem.IsMacOS()
                    ? DarwinKernel.TryReplace(address, length, DarwinKernel.ProtReadWrite)
                    : Syscalls.Discard(address, length) == 0);

            // Has pages of a mapping committed that may not be, within one unit: those that are keep their contents. False: there is no
            // memory.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryCommit(nuint address, nuint length) =>
                !ClrOperatingSystem.IsWindows() || WindowsKernel.TryCommit(address, length);

            // Makes pages that hold nothing of worth inaccessible without a mapping more. False: the kernel cannot, or refuses.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryGuard(nuint address, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryDecommit(address, length)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.TryReplace(address, length, DarwinKernel.ProtNone)
                : Syscalls.Madvise(address, length, Syscalls.MadvGuardInstall) == 0;

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryUnguard(nuint address, nuint length) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryCommit(address, length)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.TryReplace(address, length, DarwinKernel.ProtReadWrite)
                : Syscalls.Madvise(address, length, Syscalls.MadvGuardRemove) == 0;

            // Makes pages inaccessible, or accessible again, if need be as mappings of their own. False: the kernel refuses.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryProtect(nuint address, nuint length, bool accessible) =>
                !ClrOperatingSystem.IsWindows()
                && (ClrOperatingSystem.IsMacOS()
                    ? DarwinKernel.TryProtect(address, length, accessible ? DarwinKernel.ProtReadWrite : DarwinKernel.ProtNone)
                    : Syscalls.Mprotect(address, length, accessible ? Syscalls.ProtReadWrite : Syscalls.ProtNone) == 0);

            // Says whether memory may be backed by huge pages, where the kernel has any.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void AdviseHugePages(nuint address, nuint length, bool wanted)
            {
                if (ClrOperatingSystem.IsLinux())
                    Syscalls.Madvise(address, length, wanted ? Syscalls.MadvHugePage : Syscalls.MadvNoHugePage);
            }

            // Whether the kernel might grant so many bytes at all, judging by the machine's memory, which macOS does not.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool IsConceivable(nuint length)
            {
                if (ClrOperatingSystem.IsWindows())
                    return WindowsKernel.IsConceivable(length);
                if (ClrOperatingSystem.IsMacOS())
                    return true;

                nint address = Syscalls.Mmap(0, length, Syscalls.ProtReadWrite, Syscalls.MapAnywhere);
                return address > 0 && Syscalls.Munmap((nuint)address, length) == 0;
            }

            // Reserves addresses anywhere as one mapping that may be read, where CountsMappings says so.
            // Returns: the address, or an error.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static nint ReserveReadable(nuint length) =>
                ClrOperatingSystem.IsLinux() ? Syscalls.Mmap(0, length, Syscalls.ProtRead, Syscalls.MapUnreserved) : 0;

            // Makes pages a mapping that differs from its neighbours, in one way or another. False: the kernel has no room for a mapping
            // more. One that refuses for another reason does not keep the heap from mapping.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryTellApart(nuint address, nuint length, bool inAnotherWay) =>
                !ClrOperatingSystem.IsLinux()
                || Syscalls.Madvise(address, length, inAnotherWay ? Syscalls.MadvSequential : Syscalls.MadvRandom)
                    is not (-Syscalls.ErrorNoMemory or -Syscalls.ErrorTryAgain);

            // A random number of the kernel's. False: it has none.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool TryDraw(ulong* random) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.TryDraw(random)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.TryDraw(random)
                : Syscalls.GetRandom(random, sizeof(ulong)) == sizeof(ulong);
        }
    }
}
