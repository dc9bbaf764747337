using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>
/// A thread that stops before its first system call of some kind, whoever makes it, the heap, the runtime or the C library, and goes on
/// when it is let go. Meanwhile it is outside managed code for the collector. One at a time.
/// </summary>
public sealed unsafe class HeldThread
{
    private const int CallOffset = 512;
    private const int AfterCallOffset = CallOffset + 0x1D;

    private const int FutexCall = 202;
    private const int WaitPrivate = 0 | 128;
    private const int WakePrivate = 1 | 128;

    // Whether a thread stands, and whether it may go.
    private static readonly int* s_stands = (int*)NativeMemory.AllocZeroed(2, sizeof(int));

    private readonly Thread _thread;
    private Exception? _failure;

    /// <param name="trap">Which calls: a filter of <see cref="Seccomp"/>, which takes the place of those that it lets pass.</param>
    /// <param name="body">What the thread does.</param>
    public HeldThread(Action<nint> trap, Action body)
    {
        Assumption.NotWindows("a signal of Linux's holds the thread.");
        Assumption.X64("what holds the thread is machine code.");
        // The heap's own trampoline, in a place that the filter knows: what is called from there is let pass.
        EmmaHeap.HeapInternals.CopyTrampoline(new Span<byte>(Interruption.CodePage + CallOffset, 64));
        // Called once to be compiled, and not to stand.
        s_stands[0] = s_stands[1] = 1;
        Interruption.Lead(Interruption.SignalSystemCall, &Stand);
        s_stands[0] = s_stands[1] = 0;
        _thread = new Thread(() =>
        {
            try
            {
                trap((nint)Interruption.CodePage + AfterCallOffset);
                body();
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
        });
        _thread.Start();
    }

    /// <summary>Waits until the thread stands. False: it has ended without such a call.</summary>
    public bool AwaitStand()
    {
        Patience.Until(() => Volatile.Read(ref s_stands[0]) != 0 || _thread.Join(0), "the thread stands or has ended");
        return Volatile.Read(ref s_stands[0]) != 0;
    }

    /// <summary>Lets the thread go, if it stands or will, and waits until it has ended. What it throws, this throws.</summary>
    public void LetGo()
    {
        Volatile.Write(ref s_stands[1], 1);
        Call(FutexCall, (nint)(&s_stands[1]), WakePrivate, 1, 0, 0, 0);
        _thread.Join();
        if (_failure is not null)
            ExceptionDispatchInfo.Throw(_failure);
    }

    private static void Stand(InterruptedThread* thread)
    {
        if (Interlocked.Exchange(ref s_stands[0], 1) == 0)
        {
            while (Volatile.Read(ref s_stands[1]) == 0)
                Call(FutexCall, (nint)(&s_stands[1]), WaitPrivate, 0, 0, 0, 0);
        }

        thread->Rax = Call(thread->Rax, thread->Rdi, thread->Rsi, thread->Rdx, thread->R10, thread->R8, thread->R9);
    }

    private static nint Call(nint number, nint a, nint b, nint c, nint d, nint e, nint f) =>
        ((delegate* unmanaged[SuppressGCTransition]<nint, nint, nint, nint, nint, nint, nint,
            nint>)(Interruption.CodePage + CallOffset))(number, a, b, c, d, e, f);
}
