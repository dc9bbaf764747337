using System.Reflection;
using Emma.Templates.Tests;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        // Has the heap reach the kernel in a chosen way until disposed. Blocks of both times mix freely. What other machine code the heap
        // has, it keeps: that lies in the page of the former entry, which stays mapped.
        private sealed class KernelMode : IDisposable
        {
            private static readonly FieldInfo s_current = typeof(KernelEntry)
                .GetField("s_current", BindingFlags.NonPublic | BindingFlags.Static)!;

            private readonly object? _former;

            internal KernelMode(KernelAccess access)
            {
                Assumption.NotWindows("the kernel is entered by libraries alone.");
                // A heap that started meanwhile would never find the machine code of the entry that is put aside here.
                HeapState.EnsureRunning();
                _former = s_current.GetValue(null);
                if (access == KernelAccess.Libc)
                {
                    Expect.True(CLibrary.TryFind("syscall", out nint libc));
                    ConstructorInfo constructor = typeof(KernelEntry).GetConstructors(BindingFlags.NonPublic | BindingFlags.Instance)[0];
                    s_current.SetValue(null, constructor.Invoke([libc, (nint)0, (nint)0]));
                }

                Expect.Equal(access, KernelEntry.Access);
            }

            // Where the code that makes system calls lies.
            internal static nuint CodeAddress =>
                (nuint)(nint)typeof(KernelEntry).GetField("_syscall", BindingFlags.NonPublic | BindingFlags.Instance)!
                    .GetValue(s_current.GetValue(null))!;

            public void Dispose() => s_current.SetValue(null, _former);
        }
    }
}
