using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // A system call of the heap's: its number on x86-64 and the first four of its arguments.
        private readonly record struct SystemCall(nint Number, nint A, nint B, nint C, nint D)
        {
            internal bool IsFutexWait => Number == X64.Futex && (B & 1) == 0;

            internal bool IsFutexWake => Number == X64.Futex && (B & 1) != 0;

            // Whether a thread is about to sleep until a lock is given back: on the lock's flag, behind the owner.
            internal bool IsSleepOn(void* theLock) => IsFutexWait && A == (nint)theLock + sizeof(long);

            // The thread that the kernel is asked for; 0: it is not asked.
            internal int AskedFor => Number == X64.TgKill ? (int)B : 0;
        }

        // Copies the code of a system call.
        internal static void CopyTrampoline(Span<byte> target) => X64.Syscall.CopyTo(target);

        // Has a method look at each system call of the heap, before the kernel does, until disposed. It runs on the thread that calls,
        // which may hold locks of the heap; so it may do what another thread would do at that instant, but not use the heap. What it
        // throws, Dispose throws.
        private sealed class KernelWatch : IDisposable
        {
            internal const nint NoSuchProcess = -Syscalls.ErrorNoSuchProcess;
            internal const nint TimedOut = -110;

            private static readonly FieldInfo s_current = typeof(KernelEntry)
                .GetField("s_current", BindingFlags.NonPublic | BindingFlags.Static)!;
            private static Watcher? s_watcher;
            private static Exception? s_failure;
            private static nint s_kernel;

            private readonly object _former;

            // Returns: What the heap is told without the kernel being asked; null: the kernel is.
            internal delegate nint? Watcher(SystemCall call);

            internal KernelWatch(Watcher watcher)
            {
                HeapState.EnsureRunning();
                RuntimeHelpers.RunClassConstructor(typeof(CallNumbers).TypeHandle);
                Expect.Null(s_watcher);
                _former = s_current.GetValue(null)!;
                s_failure = null;
                delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint> call = &Call;
                KernelHook.Install(typeof(KernelEntry), (nint)call, out s_kernel);
                Volatile.Write(ref s_watcher, watcher);
            }

            public void Dispose()
            {
                s_current.SetValue(null, _former);
                Volatile.Write(ref s_watcher, null);
                if (s_failure is not null)
                    ExceptionDispatchInfo.Throw(s_failure);
            }

            [UnmanagedCallersOnly]
            private static nint Call(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
            {
                try
                {
                    if (Volatile.Read(ref s_watcher)?.Invoke(new SystemCall(CallNumbers.NamedOf(number), a, b, c, d)) is nint result)
                        return result;
                }
                catch (Exception exception)
                {
                    s_failure = exception;
                }

                return ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)s_kernel)(number, a, b, c, d, e, f);
            }
        }
    }
}
