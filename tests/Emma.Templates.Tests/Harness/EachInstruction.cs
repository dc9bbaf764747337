using System.Runtime.CompilerServices;

namespace Emma.Templates.Tests;

/// <summary>
/// Runs something one instruction at a time and calls a method before each (<see cref="Interruption"/>): it looks at what a thread that
/// died right there would leave, or does what another thread may do at that instant. The processor's trap flag raises a signal after each
/// instruction. An instruction takes some microseconds, a collection of garbage would never end, and code must not be compiled anew: so
/// this is for child processes with a quiet runtime, one thread at a time.
/// </summary>
public static unsafe class EachInstruction
{
    private const int StartOffset = 0;
    private const int StopOffset = 64;

    /// <summary>
    /// What the runtime is started with; also where threads die and processes fork: one that is gone for the kernel alone would keep the
    /// collector waiting, and so would the compiler's own threads in a forked process.
    /// </summary>
    public static (string Name, string Value)[] QuietRuntime =>
        [("DOTNET_TieredCompilation", "0"), ("DOTNET_GCgen0size", "0x40000000"), ("DOTNET_gcConcurrent", "0")];

    /// <summary>Runs an operation on the calling thread.</summary>
    /// <param name="visit">Called before each instruction, of which some are not the operation's own.</param>
    /// <param name="operation">What is run. What it calls has run before, and is compiled.</param>
    public static void Run(delegate*<InterruptedThread*, void> visit, Action operation)
    {
        Require();
        // pushfq; or dword [rsp], 0x100; popfq; ret, and the reverse
        ReadOnlySpan<byte> start = [0x9C, 0x81, 0x0C, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9D, 0xC3];
        start.CopyTo(new Span<byte>(Interruption.CodePage + StartOffset, start.Length));
        ReadOnlySpan<byte> stop = [0x9C, 0x81, 0x24, 0x24, 0xFF, 0xFE, 0xFF, 0xFF, 0x9D, 0xC3];
        stop.CopyTo(new Span<byte>(Interruption.CodePage + StopOffset, stop.Length));

        RuntimeHelpers.PrepareDelegate(operation);
        // So that both are compiled.
        Interruption.Lead(Interruption.SignalTrap, &Ignore);
        Start();
        Stop();

        Interruption.Lead(Interruption.SignalTrap, visit);
        Start();
        operation();
        Stop();
    }

    /// <summary>Skips the test where that cannot be done; for scenarios that do it in a thread other than their own.</summary>
    public static void Require()
    {
        Assumption.NotWindows("a signal of Linux's follows each instruction.");
        Assumption.X64("the flag by which a signal follows each instruction is its own.");
    }

    private static void Ignore(InterruptedThread* thread)
    {
    }

    private static void Start() => ((delegate* unmanaged[SuppressGCTransition]<void>)(Interruption.CodePage + StartOffset))();

    private static void Stop() => ((delegate* unmanaged[SuppressGCTransition]<void>)(Interruption.CodePage + StopOffset))();
}
