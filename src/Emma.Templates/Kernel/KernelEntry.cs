namespace Emma.Templates;

using ClrArchitecture = global::System.Runtime.InteropServices.Architecture;
using ClrException = global::System.Exception;
using ClrHandleInheritability = global::System.IO.HandleInheritability;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMarshal = global::System.Runtime.InteropServices.Marshal;
using ClrMemoryMappedFile = global::System.IO.MemoryMappedFiles.MemoryMappedFile;
using ClrMemoryMappedFileAccess = global::System.IO.MemoryMappedFiles.MemoryMappedFileAccess;
using ClrMemoryMappedFileOptions = global::System.IO.MemoryMappedFiles.MemoryMappedFileOptions;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrOperatingSystem = global::System.OperatingSystem;
using ClrPlatformNotSupportedException = global::System.PlatformNotSupportedException;
using ClrRuntimeInformation = global::System.Runtime.InteropServices.RuntimeInformation;
using ClrSafeBuffer = global::System.Runtime.InteropServices.SafeBuffer;
using ClrVolatile = global::System.Threading.Volatile;

// Kernel, the lowest layer: system calls without libc and without a P/Invoke, and the futex lock built on them.
//
// Basic design
//   A system call needs a `syscall` instruction, which C# cannot write. So the heap keeps one page of machine code of its
//   own, a dozen instructions that turn the C calling convention into the kernel's (MachineCode), and calls it through a
//   function pointer. The base library maps the page: a memory-mapped file gives a writable view to fill it through and,
//   once that is gone, an executable one to run it from.
//   Where executable memory is refused (no-exec mounts, seccomp, SELinux, no descriptor left) libc's `syscall` function has
//   the same shape and takes the code's place; KernelAccess says which one it is.
//
// Invariants
//   * No view of the page is ever writable and executable at once.
//   * The entry is built outside every lock, published by one compare-and-swap, and built again by the next caller if
//     building it threw. It never changes afterwards: code that runs may always call it.
//   * The view holds a pointer reference, so that no finalizer unmaps code that other finalizers still call.
//   * Every call of the heap into the kernel goes through Invoke, and comes back as a result or as -errno.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The function through which this heap calls the kernel; made once.
        internal sealed class KernelEntry
        {
            private static KernelEntry? s_current;

            private static readonly ThreadSet s_mapping = new ThreadSet();

            // Where the trampoline ends and the code of other layers begins, in a cache line of its own.
            private const int CodeBehindOffset = 64;

            private readonly nint _syscall;
            private readonly nint _codeBehind;
            private readonly ClrSafeBuffer? _view;

            private KernelEntry(nint syscall, nint codeBehind, ClrSafeBuffer? view)
            {
                _syscall = syscall;
                _codeBehind = codeBehind;
                _view = view;
            }

            // How calls reach the kernel. The entry must have been created.
            internal static KernelAccess Access => s_current!._view is null ? KernelAccess.Libc : KernelAccess.Trampolines;

            // The bytes that the code page maps: one page, or none where libc is called.
            internal static nuint MappedBytes => s_current?._view is null ? 0 : (nuint)MachineCode.PageBytes;

            // The address of the code that another layer had put beside the trampoline; 0: there is none. The entry must have been created.
            internal static nint CodeBehind => s_current!._codeBehind;

            // Creates the entry unless it exists. Any number of threads may race: one entry wins, the others are released.
            // codeBehind: Machine code for other layers, which is to lie beside the trampoline; may be empty. The same for all.
            // Throws PlatformNotSupportedException: The heap cannot run on this platform.
            internal static void EnsureCreated(byte[] codeBehind)
            {
                if (ClrVolatile.Read(ref s_current) is not null)
                    return;

                KernelEntry created = Create(codeBehind);
                if (ClrInterlocked.CompareExchange(ref s_current, created, null) is not null)
                    created.UnmapCode();
            }

            // Unmaps the code page. Nothing may call the kernel afterwards.
            internal static void Release() => s_current?.UnmapCode();

            // Calls the kernel. The garbage collector may run meanwhile.
            // Returns: the call's result, or -errno.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static nint Invoke(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0)
            {
                KernelEntry entry = s_current!;
                var call = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)entry._syscall;
                nint result = call(number, a, b, c, d, e, f);
                return entry._view is null && result == -1 ? -ClrMarshal.GetLastSystemError() : result;
            }

            private static KernelEntry Create(byte[] codeBehind)
            {
                if (!ClrOperatingSystem.IsLinux() || ClrRuntimeInformation.ProcessArchitecture != ClrArchitecture.X64)
                {
                    throw new ClrPlatformNotSupportedException(
                        $"{HeapName}: an Emma heap runs on Linux x64, and this is {ClrRuntimeInformation.OSDescription} " +
                        $"on {ClrRuntimeInformation.ProcessArchitecture}. There, use NativeMemory, which has the same methods.");
                }

                // Whatever refuses executable memory, libc's own code is executable already. So is it for a handler of the exception that
                // the refusal is, which runs on this thread and may use the heap in turn. A limit below one page leaves no room for a page
                // of code.
                bool libc = (DeclaredLimit != 0 && DeclaredLimit < MachineCode.PageBytes) || !s_mapping.TryEnter();
                return (libc ? null : TryMapCode(codeBehind)) ?? new KernelEntry(FindLibcSyscall(), 0, null);
            }

            private static KernelEntry? TryMapCode(byte[] codeBehind)
            {
                try
                {
                    ClrSafeBuffer view = MapCode(codeBehind, out nint code);
                    return new KernelEntry(code, codeBehind.Length == 0 ? 0 : code + CodeBehindOffset, view);
                }
                catch (ClrException)
                {
                    return null;
                }
                finally
                {
                    s_mapping.Leave();
                }
            }

            private static ClrSafeBuffer MapCode(byte[] codeBehind, out nint code)
            {
                // Inheritable: otherwise the view is MADV_DONTFORK, and a forked child would have no code to call.
                using ClrMemoryMappedFile file = ClrMemoryMappedFile.CreateNew(
                    null,
                    MachineCode.PageBytes,
                    ClrMemoryMappedFileAccess.ReadWriteExecute,
                    ClrMemoryMappedFileOptions.None,
                    ClrHandleInheritability.Inheritable);
                using (ClrSafeBuffer writable = MapView(file, ClrMemoryMappedFileAccess.ReadWrite, out nint target))
                {
                    for (int i = 0; i < MachineCode.Syscall.Length; i++)
                        ((byte*)target)[i] = MachineCode.Syscall[i];
                    ClrMarshal.Copy(codeBehind, 0, target + CodeBehindOffset, codeBehind.Length);
                    writable.ReleasePointer();
                }

                return MapView(file, ClrMemoryMappedFileAccess.ReadExecute, out code);
            }

            // The handle alone, which has a reference more for the pointer: the accessor around it would flush the page when it is
            // disposed, which the kernel refuses where pages are locked in memory.
            private static ClrSafeBuffer MapView(ClrMemoryMappedFile file, ClrMemoryMappedFileAccess access, out nint address)
            {
                ClrSafeBuffer view = file.CreateViewAccessor(0, MachineCode.PageBytes, access).SafeMemoryMappedViewHandle;
                byte* pointer = null;
                view.AcquirePointer(ref pointer);
                address = (nint)pointer;
                return view;
            }

            private static nint FindLibcSyscall()
            {
                if (CLibrary.TryFind("syscall", out nint syscall))
                    return syscall;

                throw new ClrPlatformNotSupportedException(
                    $"{HeapName}: this process may neither map executable memory nor find libc's function syscall. " +
                    "Allow one of the two, or use NativeMemory.");
            }

            private void UnmapCode()
            {
                if (_view is null)
                    return;

                _view.Dispose();
                _view.ReleasePointer();
            }
        }
    }
}
