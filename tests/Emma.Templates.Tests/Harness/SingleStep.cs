using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>
/// Ends a thread at a chosen instruction: the processor's trap flag raises a signal after each, and the handler, machine code because it
/// runs wherever the thread is, counts down and makes the raw exit system call. The runtime believes that the thread still exists, so the
/// process must not collect garbage afterwards and ends by <see cref="Libc.Exit"/>. One thread at a time may be stepped.
/// </summary>
public static unsafe class SingleStep
{
    private const int SignalTrap = 5;
    private const int HandlerGetsThreeArguments = 4;
    private const int OnAlternateStack = 0x0800_0000;

    private const int HandlerOffset = 64;
    private const int StartOffset = 128;
    private const int StopOffset = 192;

    private static byte* s_page;

    /// <summary>Instructions after which the stepped thread dies.</summary>
    public static long StepsLeft
    {
        get => Volatile.Read(ref *(long*)s_page);
        set => Volatile.Write(ref *(long*)s_page, value);
    }

    public static void Install()
    {
        Assumption.NotWindows("a signal of Linux's follows each instruction.");
        Assumption.X64("the flag by which a signal follows each instruction is its own.");
        const int readWriteExecute = 1 | 2 | 4;
        const int privateAnonymous = 0x02 | 0x20;
        s_page = (byte*)Libc.Map(null, 4096, readWriteExecute, privateAnonymous, -1, 0);
        Expect.True((nint)s_page > 0);

        // mov rax, counter; dec qword [rax]; jnz to the ret; mov eax, 60 (exit); xor edi, edi; syscall; ret
        ReadOnlySpan<byte> handler =
            [0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0xFF, 0x08, 0x75, 0x09, 0xB8, 0x3C, 0, 0, 0, 0x31, 0xFF, 0x0F, 0x05, 0xC3];
        handler.CopyTo(new Span<byte>(s_page + HandlerOffset, handler.Length));
        *(byte**)(s_page + HandlerOffset + 2) = s_page;

        // pushfq; or dword [rsp], 0x100; popfq; ret, and the reverse
        ReadOnlySpan<byte> start = [0x9C, 0x81, 0x0C, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9D, 0xC3];
        start.CopyTo(new Span<byte>(s_page + StartOffset, start.Length));
        ReadOnlySpan<byte> stop = [0x9C, 0x81, 0x24, 0x24, 0xFF, 0xFE, 0xFF, 0xFF, 0x9D, 0xC3];
        stop.CopyTo(new Span<byte>(s_page + StopOffset, stop.Length));

        var action = new SignalAction { Handler = s_page + HandlerOffset, Flags = HandlerGetsThreeArguments | OnAlternateStack };
        Expect.Equal(0, Libc.SetSignalAction(SignalTrap, &action, null));
        // So that both are compiled: nobody should die in the compiler.
        StepsLeft = long.MaxValue;
        Start();
        Stop();
    }

    /// <summary>From here on the calling thread is stepped.</summary>
    public static void Start() => ((delegate* unmanaged[SuppressGCTransition]<void>)(s_page + StartOffset))();

    /// <summary>Up to here it was.</summary>
    public static void Stop() => ((delegate* unmanaged[SuppressGCTransition]<void>)(s_page + StopOffset))();

    /// <summary>glibc's struct sigaction.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct SignalAction
    {
        public void* Handler;
        public fixed ulong Mask[16];
        public int Flags;
        public void* Restorer;
    }
}
