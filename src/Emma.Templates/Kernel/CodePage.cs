namespace Emma.Templates;

using ClrArchitecture = global::System.Runtime.InteropServices.Architecture;
using ClrRuntimeInformation = global::System.Runtime.InteropServices.RuntimeInformation;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The page that a heap's machine code lies in. It is made, and unmapped in the end, through libc's `syscall`: before there is such
        // a page nothing else makes system calls, and code cannot unmap itself. That returns -1 for whatever the kernel refuses.
        internal static class CodePage
        {
            // What is asked for; the kernel gives a whole page.
            internal const int Bytes = 4096;

            private const int ProtReadExecute = 1 | 4;
            private const int MapShared = 1;

            // MFD_CLOEXEC, and MFD_NOEXEC_SEAL: the file itself is never run, which some machines demand (vm.memfd_noexec). It may be
            // mapped executable all the same. Linux 6.3; an older kernel refuses the flag.
            private const int CloseOnExec = 1;
            private const int NotRun = 8;

            // Maps a page that can be executed and not written, with code at its beginning. A forked child inherits it.
            // Returns: the page; 0: the kernel allows no executable memory.
            internal static nint TryMap(nint syscall, byte* code, int length)
            {
                Assert(length <= Bytes);
                nint page = TryMapFile(syscall, code, length);
                return page != 0 ? page : TryMapAnonymous(syscall, code, length);
            }

            internal static void Unmap(nint syscall, nint page) => Call(syscall, CallNumber.Munmap, page, Bytes);

            // From a file in memory, which is written before it is mapped, so that no page that was writable becomes executable: the way of
            // the runtime's own code, allowed wherever that is.
            private static nint TryMapFile(nint syscall, byte* code, int length)
            {
                nint file = CreateFile(syscall);
                if (file < 0)
                    return 0;

                nint page = -1;
                if (Call(syscall, CallNumber.Write, file, (nint)code, length) == length)
                    page = Call(syscall, CallNumber.Mmap, 0, Bytes, ProtReadExecute, MapShared, file);
                Call(syscall, CallNumber.Close, file);
                return page == -1 ? 0 : page;
            }

            private static nint CreateFile(nint syscall)
            {
                fixed (byte* name = "emma\0"u8)
                {
                    nint file = Call(syscall, CallNumber.MemfdCreate, (nint)name, CloseOnExec | NotRun);
                    return file >= 0 ? file : Call(syscall, CallNumber.MemfdCreate, (nint)name, CloseOnExec);
                }
            }

            // Without a file: no descriptor may be left, or a filter refuses files in memory. Written first, and then made executable.
            private static nint TryMapAnonymous(nint syscall, byte* code, int length)
            {
                nint page = Call(syscall, CallNumber.Mmap, 0, Bytes, Syscalls.ProtReadWrite, Syscalls.MapAnywhere, -1);
                if (page == -1)
                    return 0;

                for (int i = 0; i < length; i++)
                    ((byte*)page)[i] = code[i];
                if (Call(syscall, CallNumber.Mprotect, page, Bytes, ProtReadExecute) == 0)
                    return page;

                Unmap(syscall, page);
                return 0;
            }

            private static nint Call(nint syscall, int call, nint a, nint b = 0, nint c = 0, nint d = 0, nint e = 0) =>
                ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)syscall)(
                    ClrRuntimeInformation.ProcessArchitecture == ClrArchitecture.Arm64
                        ? call >> CallNumber.Arm64Shift
                        : call & CallNumber.X64Mask,
                    a, b, c, d, e, 0);
        }
    }
}
