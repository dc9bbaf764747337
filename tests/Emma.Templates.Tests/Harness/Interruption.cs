using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

// Has a signal call a method on the thread that it interrupts, whatever the runtime is just doing there. So it is a method that touches
// memory and nothing else: no allocation, no exception, no reference to an object.
internal static unsafe class Interruption
{
    internal const int SignalTrap = 5;
    internal const int SignalSystemCall = 31;

    private const int HandlerGetsThreeArguments = 4;
    private const int OnAlternateStack = 0x0800_0000;

    // Where the handlers lie in the page, so many bytes for each.
    private const int HandlersOffset = 1024;

    private const int HandlerBytes = 32;

    private static readonly byte* s_page = Map();

    // Memory for machine code of others.
    internal static byte* CodePage => s_page;

    // From now on a signal calls this method.
    internal static void Lead(int signal, delegate*<InterruptedThread*, void> visit)
    {
        // The first call compiles it, and is none of an interrupted thread's.
        byte ret = 0xC3;
        InterruptedThread nowhere = new InterruptedThread { InstructionPointer = &ret };
        Call(visit, &nowhere);

        byte* handler = s_page + HandlersOffset + signal * HandlerBytes;
        *(nint*)(handler + 2) = (nint)visit;
        var action = new SingleStep.SignalAction { Handler = handler, Flags = HandlerGetsThreeArguments | OnAlternateStack };
        Expect.Equal(0, Libc.SetSignalAction(signal, &action, null));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Call(delegate*<InterruptedThread*, void> visit, InterruptedThread* thread) => visit(thread);

    private static byte* Map()
    {
        const int readWriteExecute = 1 | 2 | 4;
        const int privateAnonymous = 0x02 | 0x20;
        byte* page = (byte*)Libc.Map(null, 4096, readWriteExecute, privateAnonymous, -1, 0);
        Expect.True((nint)page > 0);

        // mov rax, method; mov rdi, rdx (the thread's state); sub rsp, 8; call rax; add rsp, 8; ret
        ReadOnlySpan<byte> handler =
            [0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x89, 0xD7, 0x48, 0x83, 0xEC, 0x08, 0xFF, 0xD0, 0x48, 0x83, 0xC4, 0x08, 0xC3];
        for (int signal = 1; signal <= SignalSystemCall; signal++)
            handler.CopyTo(new Span<byte>(page + HandlersOffset + signal * HandlerBytes, HandlerBytes));
        return page;
    }
}

/// <summary>Of the kernel's ucontext, the registers of a system call.</summary>
[StructLayout(LayoutKind.Explicit)]
public unsafe struct InterruptedThread
{
    private const int Registers = 40;

    [FieldOffset(Registers)]
    public nint R8;

    [FieldOffset(Registers + 8)]
    public nint R9;

    [FieldOffset(Registers + 8 * 2)]
    public nint R10;

    [FieldOffset(Registers + 8 * 8)]
    public nint Rdi;

    [FieldOffset(Registers + 8 * 9)]
    public nint Rsi;

    [FieldOffset(Registers + 8 * 12)]
    public nint Rdx;

    [FieldOffset(Registers + 8 * 13)]
    public nint Rax;

    [FieldOffset(Registers + 8 * 16)]
    public byte* InstructionPointer;

    /// <summary>The number of the system call that comes next; -1: the next instruction is another.</summary>
    public readonly int NextSystemCall => InstructionPointer[0] == 0x0F && InstructionPointer[1] == 0x05 ? (int)Rax : -1;
}
