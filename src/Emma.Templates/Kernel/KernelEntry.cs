namespace Emma.Templates;

using ClrArchitecture = global::System.Runtime.InteropServices.Architecture;
using ClrInterlocked = global::System.Threading.Interlocked;
using ClrMarshal = global::System.Runtime.InteropServices.Marshal;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrOperatingSystem = global::System.OperatingSystem;
using ClrPlatformNotSupportedException = global::System.PlatformNotSupportedException;
using ClrRuntimeInformation = global::System.Runtime.InteropServices.RuntimeInformation;
using ClrVolatile = global::System.Threading.Volatile;

// Kernel, the lowest layer: what a heap asks an operating system for, without a P/Invoke, and the lock built on it.
//
// Basic design
//   The layers above name operations (VirtualMemory, KernelThreads), each of which chooses the system's own file: Syscalls on
//   Linux; WindowsKernel, which calls functions of ntdll; DarwinKernel, which calls functions of libSystem. What OperatingSystem
//   says is a constant to the compiler.
//   On Linux, a system call needs an instruction that C# cannot write. So the heap keeps one page of machine code of its own, a dozen
//   instructions that turn the C calling convention into the kernel's (X64, Arm64), and calls it through a function pointer.
//   libc's function `syscall`, which is found by its name, maps the page (CodePage).
//   The processor is asked for by RuntimeInformation.ProcessArchitecture, a constant to the compiler, and in this layer only,
//   but for the choice of the fast paths' machine code. What there is of another processor is not compiled.
//   Where executable memory is refused (seccomp, SELinux) that function, which has the same shape, takes the code's place;
//   KernelAccess says which one it is.
//
// Invariants
//   * The page is never writable and executable at once.
//   * The entry is built outside every lock, published by one compare-and-swap, and built again by the next caller if
//     building it threw. It never changes afterwards: code that runs may always call it.
//   * Nothing but Release unmaps the page of an entry that was published, so that no finalizer unmaps code that others still call.
//   * On Linux every call of the heap into the kernel goes through Invoke, and comes back as a result or as -errno, but for the
//     page's own.
static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The function through which this heap calls the kernel; made once.
        internal sealed class KernelEntry
        {
            private static KernelEntry? s_current;

            // Where the trampoline ends and the code of other layers begins, in a cache line of its own.
            private const int CodeBehindOffset = 64;

            private readonly nint _syscall;
            private readonly nint _codeBehind;
            private readonly nint _page;

            // page: The code page; 0: libc is called.
            private KernelEntry(nint syscall, nint codeBehind, nint page)
            {
                _syscall = syscall;
                _codeBehind = codeBehind;
                _page = page;
            }

            // How calls reach the kernel. The entry must have been created.
            internal static KernelAccess Access =>
                s_current!._page != 0 ? KernelAccess.Trampolines
                : ClrOperatingSystem.IsLinux() ? KernelAccess.Libc
                : KernelAccess.SystemLibraries;

            // Whether machine code of other layers may lie beside the trampoline: on the processor and the system that it is written for.
            internal static bool TakesCode
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrRuntimeInformation.ProcessArchitecture == ClrArchitecture.X64 && ClrOperatingSystem.IsLinux();
            }

            // The bytes that code maps: a page of the kernel's, or none where libc is called, and a second one for what C calls.
            internal static nuint MappedBytes
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => s_current is not { _page: not 0 } ? 0
                    : ClrVolatile.Read(ref Heap->CodeForC) == 0 ? Heap->KernelPage : 2 * Heap->KernelPage;
            }

            // The address of the code that another layer had put beside the trampoline; 0: there is none. The entry must have been created.
            internal static nint CodeBehind => s_current!._codeBehind;

            // Creates the entry unless it exists. Any number of threads may race: one entry wins, the others are released.
            // codeBehind: Machine code for other layers, which is to lie beside the trampoline; may be empty. The same for all.
            // Throws PlatformNotSupportedException: The heap cannot run on this platform.
            internal static void EnsureCreated(byte[] codeBehind)
            {
                if (ClrVolatile.Read(ref s_current) is not null)
                    return;

                KernelEntry created = ClrOperatingSystem.IsLinux() ? Create(codeBehind) : CreateElsewhere();
                if (ClrInterlocked.CompareExchange(ref s_current, created, null) is not null)
                    created.UnmapCode();
            }

            // Unmaps the code page. Nothing may call the kernel afterwards.
            internal static void Release() => s_current?.UnmapCode();

            // Maps a page of machine code for another layer. 0: the kernel allows none.
            internal static nint TryMapCode(byte[] code)
            {
                fixed (byte* first = code)
                    return CLibrary.TryFind("syscall", out nint libc) ? CodePage.TryMap(libc, first, code.Length) : 0;
            }

            internal static void UnmapCode(nint page)
            {
                if (CLibrary.TryFind("syscall", out nint libc))
                    CodePage.Unmap(libc, page);
            }

            // Calls the kernel. The garbage collector may run meanwhile.
            // call: Of CallNumber.
            // Returns: the call's result, or -errno.
            [ClrMethodImpl(ClrMethodImplOptions.NoInlining)]
            internal static nint Invoke(int call, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0)
            {
                KernelEntry entry = s_current!;
                var syscall = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)entry._syscall;
                bool isArm64 = ClrRuntimeInformation.ProcessArchitecture == ClrArchitecture.Arm64;
                nint result = syscall(isArm64 ? call >> CallNumber.Arm64Shift : call & CallNumber.X64Mask, a, b, c, d, e, f);
                return entry._page == 0 && result == -1 ? -ClrMarshal.GetLastSystemError() : result;
            }

            private static KernelEntry CreateElsewhere()
            {
                if (ClrRuntimeInformation.ProcessArchitecture is not (ClrArchitecture.X64 or ClrArchitecture.Arm64))
                    throw NotSupported();

                if (ClrOperatingSystem.IsWindows())
                {
                    WindowsFunctions.Find(&Heap->Windows);
                    Compilation.PrepareEntries(typeof(WindowsKernel), []);
                }
                else if (ClrOperatingSystem.IsMacOS())
                {
                    DarwinFunctions.Find(&Heap->Darwin);
                    Compilation.PrepareEntries(typeof(DarwinKernel), []);
                }
                else
                {
                    throw NotSupported();
                }

                return new KernelEntry(0, 0, 0);
            }

            private static KernelEntry Create(byte[] codeBehind)
            {
                if (ClrRuntimeInformation.ProcessArchitecture is not (ClrArchitecture.X64 or ClrArchitecture.Arm64))
                    throw NotSupported();

                if (!CLibrary.TryFind("syscall", out nint libc))
                    throw NotFound();

                // A limit below one page leaves no room for a page of code.
                long limit = Policy.Limit;
                bool hasRoom = limit == 0 || limit >= (long)Heap->KernelPage;
                nint page = hasRoom ? TryMapPage(libc, codeBehind) : 0;
                return page == 0
                    ? new KernelEntry(libc, 0, 0)
                    : new KernelEntry(page, codeBehind.Length == 0 ? 0 : page + CodeBehindOffset, page);
            }

            // Apart, because most programs never have them compiled.
            private static ClrPlatformNotSupportedException NotSupported() => new ClrPlatformNotSupportedException(
                HeapName + ": an Emma heap runs on Linux, Windows and macOS, x64 and arm64, and this is "
                + ClrRuntimeInformation.OSDescription + " on " + ClrRuntimeInformation.ProcessArchitecture.ToString()
                + ". There, use NativeMemory, which has the same methods.");

            private static ClrPlatformNotSupportedException NotFound() => new ClrPlatformNotSupportedException(
                $"{HeapName}: this process has no function syscall of the C library that could be found by its name, as in a " +
                "program that is linked statically. Link it dynamically, or use NativeMemory.");

            private static nint TryMapPage(nint libc, byte[] codeBehind)
            {
                byte* code = stackalloc byte[CodePage.Bytes];
                global::System.ReadOnlySpan<byte> trampoline =
                    ClrRuntimeInformation.ProcessArchitecture == ClrArchitecture.Arm64 ? Arm64.Syscall : X64.Syscall;
                trampoline.CopyTo(new global::System.Span<byte>(code, CodeBehindOffset));
                new global::System.ReadOnlySpan<byte>(codeBehind)
                    .CopyTo(new global::System.Span<byte>(code + CodeBehindOffset, codeBehind.Length));
                return CodePage.TryMap(libc, code, CodeBehindOffset + codeBehind.Length);
            }

            private void UnmapCode()
            {
                if (_page != 0)
                    UnmapCode(_page);
            }
        }
    }
}
