namespace Emma.Templates;

using ClrNativeLibrary = global::System.Runtime.InteropServices.NativeLibrary;
using ClrPlatformNotSupportedException = global::System.PlatformNotSupportedException;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The functions of macOS that a heap calls, as addresses, in the root (WindowsFunctions). All are of libSystem, which every process
        // has. None takes a variable number of arguments: on arm64 Apple passes those on the stack, where a plain function pointer does not
        // put them.
        internal struct DarwinFunctions
        {
            private const string Library = "/usr/lib/libSystem.B.dylib";

            internal nint Mmap;
            internal nint Munmap;
            internal nint Mprotect;
            internal nint GetEntropy;
            internal nint GetPid;
            internal nint PthreadSelf;
            internal nint PthreadMachThread;
            internal nint MachPortType;
            internal nint USleep;

            // Where the name of this process's task lies, which a forked child has another of.
            internal nint TaskSelf;

            // From macOS 14.4 on; else 0, both of them.
            internal nint WaitOnAddress;
            internal nint WakeByAddress;

            // Finds the functions. Any number of threads may find the same.
            // Throws PlatformNotSupportedException: This macOS lacks one.
            internal static void Find(DarwinFunctions* functions)
            {
                if (!ClrNativeLibrary.TryLoad(Library, out nint library))
                    throw NotFound("no " + Library);

                functions->Mmap = Find(library, "mmap");
                functions->Munmap = Find(library, "munmap");
                functions->Mprotect = Find(library, "mprotect");
                functions->GetEntropy = Find(library, "getentropy");
                functions->GetPid = Find(library, "getpid");
                functions->PthreadSelf = Find(library, "pthread_self");
                functions->PthreadMachThread = Find(library, "pthread_mach_thread_np");
                functions->MachPortType = Find(library, "mach_port_type");
                functions->USleep = Find(library, "usleep");
                functions->TaskSelf = Find(library, "mach_task_self_");
                bool waits = ClrNativeLibrary.TryGetExport(library, "os_sync_wait_on_address_with_timeout", out nint wait);
                bool wakes = ClrNativeLibrary.TryGetExport(library, "os_sync_wake_by_address_any", out nint wake);
                functions->WaitOnAddress = waits && wakes ? wait : 0;
                functions->WakeByAddress = waits && wakes ? wake : 0;
            }

            private static nint Find(nint library, string name) =>
                ClrNativeLibrary.TryGetExport(library, name, out nint address)
                    ? address
                    : throw NotFound($"no function {name} in {Library}");

            private static ClrPlatformNotSupportedException NotFound(string what) => new ClrPlatformNotSupportedException(
                $"{HeapName}: this macOS has {what}. Use NativeMemory, which has the same methods.");
        }
    }
}
