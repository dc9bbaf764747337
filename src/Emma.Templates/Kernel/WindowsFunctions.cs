namespace Emma.Templates;

using ClrDllImportSearchPath = global::System.Runtime.InteropServices.DllImportSearchPath;
using ClrNativeLibrary = global::System.Runtime.InteropServices.NativeLibrary;
using ClrPlatformNotSupportedException = global::System.PlatformNotSupportedException;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // The functions of Windows that a heap calls, as addresses; they lie in the root, because a static would be no constant where
        // assemblies can be unloaded. Most are the kernel's own, of ntdll, whose result says why something was refused: no thread's last
        // error is read or changed. A process has these libraries loaded before any of .NET's code runs.
        internal struct WindowsFunctions
        {
            internal nint AllocateVirtualMemory;
            internal nint FreeVirtualMemory;
            internal nint WaitOnAddress;
            internal nint WakeAddressSingle;
            internal nint OpenThread;
            internal nint WaitForSingleObject;
            internal nint Close;
            internal nint GetCurrentThreadId;
            internal nint GenRandom;

            // This process's id.
            internal nint Process;

            // Without caches: the first page of names, how many places of them were handed out, and the next that is looked at
            // (PinnedNames). There are no forked children, which would share these.
            internal nint Names;
            internal int NamePlaces;
            internal int NameHand;

            // Finds the functions. Any number of threads may find the same.
            // Throws PlatformNotSupportedException: This Windows lacks one.
            internal static void Find(WindowsFunctions* functions)
            {
                functions->AllocateVirtualMemory = Find("ntdll.dll", "NtAllocateVirtualMemory");
                functions->FreeVirtualMemory = Find("ntdll.dll", "NtFreeVirtualMemory");
                functions->WaitOnAddress = Find("ntdll.dll", "RtlWaitOnAddress");
                functions->WakeAddressSingle = Find("ntdll.dll", "RtlWakeAddressSingle");
                functions->OpenThread = Find("ntdll.dll", "NtOpenThread");
                functions->WaitForSingleObject = Find("ntdll.dll", "NtWaitForSingleObject");
                functions->Close = Find("ntdll.dll", "NtClose");
                functions->GetCurrentThreadId = Find("kernel32.dll", "GetCurrentThreadId");
                functions->GenRandom = Find("bcrypt.dll", "BCryptGenRandom");
                functions->Process = global::System.Environment.ProcessId;
            }

            internal static nint Find(string library, string name) =>
                ClrNativeLibrary.TryLoad(library, typeof(Root).Assembly, ClrDllImportSearchPath.System32, out nint module)
                && ClrNativeLibrary.TryGetExport(module, name, out nint address)
                    ? address
                    : throw new ClrPlatformNotSupportedException(
                        $"{HeapName}: this Windows has no function {name} in {library}. Use NativeMemory, which has the same methods.");
        }
    }
}
