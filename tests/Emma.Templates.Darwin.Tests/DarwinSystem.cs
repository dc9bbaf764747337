using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>
        /// The functions that a heap finds in libSystem, made of Linux's. They do to memory and threads what macOS does, and no more: what
        /// macOS would refuse ends the process, so that no test passes by a kindness of Linux.
        /// </summary>
        internal static partial class DarwinSystem
        {
            internal const int Failed = -1;

            private const int MapPrivate = 0x0002;
            private const int MapFixed = 0x0010;
            private const int MapNoReserve = 0x0040;
            private const int MapAnon = 0x1000;

            private const int LinuxAnonymous = 0x20;
            private const int LinuxNoReserve = 0x4000;

            private const int KernInvalidName = 15;
            private const int PortSend = 1 << 16;
            private const int PortDeadName = 1 << 20;

            private const int Futex = 202;
            private const int TgKill = 234;
            private const int GetTid = 186;
            private const int FutexWaitPrivate = 0 | 128;
            private const int FutexWakePrivate = 1 | 128;
            private const int ErrorTryAgain = 11;
            private const int ErrorNoSuchProcess = 3;

            // The name of a task's own port is the same in most processes.
            private const int Task = 0x203;

            // Names of ports have an index in the upper bits and a generation below, which is never 0.
            private const int NameShift = 2;
            private const int Generation = 3;

            // POSIX keys have 64 bits there. So these need all of them; but for the function that is called without a transition, which can
            // be Linux's only.
            private const ulong KeyMark = 1UL << 40;

            private static readonly int* s_taskSelf = MakeTaskSelf();

            private static readonly Dictionary<string, nint> s_functions = new()
            {
                ["mmap"] = (nint)(delegate* unmanaged<nint, nint, int, int, int, long, nint>)&Mmap,
                ["munmap"] = (nint)(delegate* unmanaged<nint, nint, int>)&Munmap,
                ["mprotect"] = (nint)(delegate* unmanaged<nint, nint, int, int>)&Mprotect,
                ["getentropy"] = (nint)(delegate* unmanaged<void*, nint, int>)&GetEntropy,
                ["getpid"] = (nint)(delegate* unmanaged<int>)&GetPid,
                ["pthread_self"] = (nint)(delegate* unmanaged<nint>)&PthreadSelf,
                ["pthread_mach_thread_np"] = (nint)(delegate* unmanaged<nint, uint>)&PthreadMachThread,
                ["mach_port_type"] = (nint)(delegate* unmanaged<uint, uint, uint*, int>)&MachPortType,
                ["mach_task_self_"] = (nint)s_taskSelf,
                ["usleep"] = (nint)(delegate* unmanaged<uint, int>)&USleep,
                ["os_sync_wait_on_address_with_timeout"] =
                    (nint)(delegate* unmanaged<int*, ulong, nint, uint, uint, ulong, int>)&WaitOnAddress,
                ["os_sync_wake_by_address_any"] = (nint)(delegate* unmanaged<int*, nint, uint, int>)&WakeByAddress,
                ["pthread_key_create"] = (nint)(delegate* unmanaged<nuint*, nint, int>)&CreateKey,
                ["pthread_key_delete"] = (nint)(delegate* unmanaged<nuint, int>)&DeleteKey,
                ["pthread_getspecific"] = NativeLibrary.RealExport("pthread_getspecific"),
                ["pthread_setspecific"] = (nint)(delegate* unmanaged<nuint, nint, int>)&SetSpecific,
            };

            /// <summary>Has a process of the tests lack the functions that came with macOS 14.4.</summary>
            internal const string OldVariable = "EMMA_OLD_DARWIN";

            /// <summary>A function that is not found, whatever the process; null: all are.</summary>
            internal static string? Lacking { get; set; }

            /// <summary>What the kernel says of a thread that is no more: nothing, or that its port is dead.</summary>
            internal static bool KeepsDeadNames { get; set; }

            /// <summary>A name of a thread that is no more, which another port has got; 0: none.</summary>
            internal static int Reused { get; set; }

            internal static bool TryFind(string name, out nint address)
            {
                address = 0;
                bool isOld = Environment.GetEnvironmentVariable(OldVariable) is not null;
                return name != Lacking && !(isOld && name.StartsWith("os_sync_", StringComparison.Ordinal))
                    && s_functions.TryGetValue(name, out address);
            }

            internal static int NameOf(int thread) => (thread << NameShift) | Generation;

            private static int* MakeTaskSelf()
            {
                int* name = (int*)NativeMemory.Alloc(sizeof(int));
                *name = Task;
                return name;
            }

            [UnmanagedCallersOnly]
            private static nint Mmap(nint address, nint length, int protection, int flags, int file, long offset)
            {
                Demand(IsWhole(address) && IsWhole(length) && length > 0 && file == -1 && offset == 0, "mmap");
                Demand(protection is 0 or (1 | 2) && (flags & ~(MapFixed | MapNoReserve)) == (MapPrivate | MapAnon), "mmap");
                if ((flags & MapFixed) == 0)
                    return FaultyKernel.MapAt(address, length, protection);

                Demand(address != 0, "mmap");
                return FaultyKernel.Replace(address, length, protection);
            }

            // Maps at an address if nothing is there, else elsewhere.
            internal static nint MapNear(nint address, nint length, int protection)
            {
                const int flags = MapPrivate | LinuxAnonymous | LinuxNoReserve;
                nint result = unchecked((nint)Libc.Map((void*)address, (nuint)length, protection, flags, -1, 0));
                if (result == Failed || IsWhole(result))
                    return result;

                // Linux's pages are smaller: somewhere else, at a page of macOS.
                Libc.Unmap((void*)result, (nuint)length);
                nint rest = unchecked((nint)Libc.Map(null, (nuint)(length + Environment.SystemPageSize), protection, flags, -1, 0));
                if (rest == Failed)
                    return Failed;

                nint whole = (nint)AlignUp((nuint)rest, (nuint)Environment.SystemPageSize);
                if (whole != rest)
                    Libc.Unmap((void*)rest, (nuint)(whole - rest));
                Libc.Unmap((void*)(whole + length), (nuint)(rest + Environment.SystemPageSize - whole));
                return whole;
            }

            // Exchanges pages for fresh ones.
            internal static nint MapOver(nint address, nint length, int protection)
            {
                const int flags = MapPrivate | MapFixed | LinuxAnonymous | LinuxNoReserve;
                return unchecked((nint)Libc.Map((void*)address, (nuint)length, protection, flags, -1, 0));
            }

            [UnmanagedCallersOnly]
            private static int Munmap(nint address, nint length)
            {
                Demand(IsWhole(address) && IsWhole(length) && length > 0, "munmap");
                return FaultyKernel.Unmap(address, length);
            }

            [UnmanagedCallersOnly]
            private static int Mprotect(nint address, nint length, int protection)
            {
                Demand(IsWhole(address) && IsWhole(length) && length > 0 && protection is 0 or (1 | 2), "mprotect");
                return FaultyKernel.Fails(CallKind.Mprotect) ? Failed : Libc.Protect((void*)address, (nuint)length, protection);
            }

            [UnmanagedCallersOnly]
            private static int GetEntropy(void* buffer, nint length)
            {
                Demand(length is > 0 and <= 256, "getentropy");
                return FaultyKernel.Fails(CallKind.GetRandom) ? Failed : LinuxGetEntropy(buffer, (nuint)length);
            }

            [UnmanagedCallersOnly]
            private static int GetPid()
            {
                FaultyKernel.Fails(CallKind.Other);
                return LinuxGetPid();
            }

            [UnmanagedCallersOnly]
            private static nint PthreadSelf() => (nint)LinuxPthreadSelf();

            [UnmanagedCallersOnly]
            private static uint PthreadMachThread(nint thread)
            {
                Demand(thread == (nint)LinuxPthreadSelf(), "pthread_mach_thread_np");
                return (uint)NameOf((int)Call(GetTid));
            }

            [UnmanagedCallersOnly]
            private static int MachPortType(uint task, uint name, uint* type)
            {
                Demand(task == Task && name != 0, "mach_port_type");
                if (FaultyKernel.Fails(CallKind.TgKill))
                    return Failed;

                bool isThread = (name & ((1 << NameShift) - 1)) == Generation;
                bool lives = isThread
                    && (Call(TgKill, LinuxGetPid(), (nint)(name >> NameShift)) == 0
                        || Marshal.GetLastPInvokeError() != ErrorNoSuchProcess);
                if (!lives && name != (uint)Reused && !KeepsDeadNames)
                    return KernInvalidName;

                *type = (uint)(lives || name == (uint)Reused ? PortSend : PortDeadName);
                return 0;
            }

            [UnmanagedCallersOnly]
            private static int USleep(uint microseconds)
            {
                Demand(microseconds < 1_000_000, "usleep");
                return LinuxUSleep(microseconds);
            }

            [UnmanagedCallersOnly]
            private static int WaitOnAddress(int* word, ulong value, nint size, uint flags, uint clock, ulong nanoseconds)
            {
                const uint absoluteTime = 32;
                Demand(size == sizeof(int) && value <= uint.MaxValue && flags == 0 && clock == absoluteTime && nanoseconds != 0,
                    "os_sync_wait_on_address_with_timeout");
                if (FaultyKernel.Fails(CallKind.FutexWait))
                    return Failed;

                long* time = stackalloc long[] { (long)(nanoseconds / 1_000_000_000), (long)(nanoseconds % 1_000_000_000) };
                nint result = Call(Futex, (nint)word, FutexWaitPrivate, unchecked((int)value), (nint)time);
                return result == 0 || Marshal.GetLastPInvokeError() == ErrorTryAgain ? 0 : Failed;
            }

            [UnmanagedCallersOnly]
            private static int WakeByAddress(int* word, nint size, uint flags)
            {
                Demand(size == sizeof(int) && flags == 0, "os_sync_wake_by_address_any");
                return FaultyKernel.Fails(CallKind.FutexWake) || Call(Futex, (nint)word, FutexWakePrivate, 1) == 0 ? Failed : 0;
            }

            [UnmanagedCallersOnly]
            private static int CreateKey(nuint* key, nint destructor)
            {
                uint real;
                int result = LinuxCreateKey(&real, destructor);
                *key = (nuint)(real + KeyMark);
                return result;
            }

            [UnmanagedCallersOnly]
            private static int DeleteKey(nuint key) => LinuxDeleteKey(RealKey(key));

            [UnmanagedCallersOnly]
            private static int SetSpecific(nuint key, nint value) => LinuxSetSpecific(RealKey(key), value);

            private static uint RealKey(nuint key)
            {
                Demand(key >= KeyMark && key - KeyMark < 4096, "a key");
                return (uint)(key - KeyMark);
            }

            private static bool IsWhole(nint bytes) => bytes % Environment.SystemPageSize == 0;

            private static void Demand(bool holds, string function, [CallerArgumentExpression(nameof(holds))] string what = "")
            {
                if (!holds)
                    Environment.FailFast($"macOS would refuse {function}: {what}");
            }

            [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
            private static partial nint Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0);

            [LibraryImport("libc", EntryPoint = "getentropy")]
            private static partial int LinuxGetEntropy(void* buffer, nuint length);

            [LibraryImport("libc", EntryPoint = "getpid")]
            private static partial int LinuxGetPid();

            [LibraryImport("libc", EntryPoint = "pthread_self")]
            private static partial nuint LinuxPthreadSelf();

            [LibraryImport("libc", EntryPoint = "usleep")]
            private static partial int LinuxUSleep(uint microseconds);

            [LibraryImport("libc", EntryPoint = "pthread_key_create")]
            private static partial int LinuxCreateKey(uint* key, nint destructor);

            [LibraryImport("libc", EntryPoint = "pthread_key_delete")]
            private static partial int LinuxDeleteKey(uint key);

            [LibraryImport("libc", EntryPoint = "pthread_setspecific")]
            private static partial int LinuxSetSpecific(uint key, nint value);
        }
    }
}
