namespace Emma.Templates;

using ClrEnvironment = global::System.Environment;
using ClrMethodImpl = global::System.Runtime.CompilerServices.MethodImplAttribute;
using ClrMethodImplOptions = global::System.Runtime.CompilerServices.MethodImplOptions;
using ClrOperatingSystem = global::System.OperatingSystem;

static unsafe partial class EmmaHeap
{
    static partial class HeapInternals
    {
        // What the heap asks an operating system for, as to threads (VirtualMemory).
        internal static class KernelThreads
        {
            // A process of which there are no forked children: it has but this id to itself.
            private const int TheProcess = 1;

            // The kernel's id of this process, which does not change but in a forked child.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int ProcessId() =>
                ClrOperatingSystem.IsWindows() ? TheProcess
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.ProcessId()
                : Syscalls.GetPid();

            // The kernel's id of the calling thread: never 0, and no other live thread has it.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static int CurrentId() =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.CurrentThreadId()
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.CurrentThreadId()
                : Syscalls.GetTid();

            // Whether a process has no thread of an id.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool IsDead(int process, int thread) =>
                ClrOperatingSystem.IsWindows() ? WindowsKernel.IsDead(thread)
                : ClrOperatingSystem.IsMacOS() ? DarwinKernel.IsDead(thread)
                : Syscalls.TgKill(process, thread, 0) == -Syscalls.ErrorNoSuchProcess;

            // Whether ids are pinned.
            internal static bool PinsIds
            {
                [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
                get => ClrOperatingSystem.IsWindows();
            }

            // Keeps the calling thread's id from being given to another thread, where the kernel gives them anew soon, and no longer that
            // of the thread before it. pin: The caller's own.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Pin(ref nint pin)
            {
                if (ClrOperatingSystem.IsWindows())
                    WindowsKernel.Pin(ref pin);
            }

            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void Unpin(ref nint pin)
            {
                if (ClrOperatingSystem.IsWindows())
                    WindowsKernel.Unpin(ref pin);
            }

            // Lets go of the ids of all threads that have names, where a form has nothing else that holds them.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void UnpinNames()
            {
                if (ClrOperatingSystem.IsWindows())
                    WindowsKernel.UnpinNames();
            }

            // Sleeps while a word holds an expected value, a time at most.
            // Returns: whether the time has passed, or the kernel cannot tell; else the word has another value, or somebody woke this
            // thread.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static bool WaitInVain(int* word, int expected, int milliseconds)
            {
                nint result =
                    ClrOperatingSystem.IsWindows() ? WindowsKernel.Wait(word, expected, milliseconds)
                    : ClrOperatingSystem.IsMacOS() ? DarwinKernel.Wait(word, expected, milliseconds)
                    : Syscalls.FutexWait(word, expected, milliseconds);
                return result != 0 && result != -Syscalls.ErrorTryAgain;
            }

            // Wakes one thread that sleeps on a word.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static void WakeOne(int* word)
            {
                if (ClrOperatingSystem.IsWindows())
                    WindowsKernel.WakeOne(word);
                else if (ClrOperatingSystem.IsMacOS())
                    DarwinKernel.WakeOne(word);
                else
                    Syscalls.FutexWake(word, 1);
            }

            // Milliseconds of a clock that only runs forwards; coarse, and never 0.
            [ClrMethodImpl(ClrMethodImplOptions.AggressiveInlining)]
            internal static long Milliseconds() =>
                ClrOperatingSystem.IsLinux() ? Syscalls.Milliseconds() : ClrEnvironment.TickCount64 + 1;
        }
    }
}
