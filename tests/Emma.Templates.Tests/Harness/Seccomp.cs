using System.Runtime.InteropServices;

namespace Emma.Templates.Tests;

/// <summary>
/// Has the kernel refuse system calls to this thread, and to the program that it becomes, for good: a filter that needs no privilege.
/// </summary>
public static unsafe partial class Seccomp
{
    public const int MapCall = 9;
    public const int ProtectCall = 10;
    public const int GetRandomCall = 318;
    public const int FileInMemoryCall = 319;
    public const int MembarrierCall = 324;

    /// <summary>Has the runtime make its own executable memory in a way that the filters of executable memory let pass.</summary>
    public static readonly (string Name, string Value) PrivateCode = ("DOTNET_EnableWriteXorExecute", "0");

    private const int SetSeccomp = 22;
    private const int SetNoNewPrivileges = 38;
    private const uint ModeFilter = 2;

    // Offsets in struct seccomp_data.
    private const uint NumberOffset = 0;
    private const uint InstructionPointerOffset = 8;
    private const uint FirstArgumentOffset = 16;

    private const ushort LoadWord = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort JumpIfAnySet = 0x45;
    private const ushort Return = 0x06;
    private const uint Allow = 0x7FFF_0000;
    private const uint RefuseWith = 0x0005_0000;
    private const uint RaiseSignal = 0x0003_0000;

    // Arguments of mmap and mprotect.
    private const uint OnePage = 4096;
    private const uint Executable = 4;
    private const uint ReadableAndExecutable = 1 | Executable;
    private const uint Shared = 1;

    [StructLayout(LayoutKind.Sequential)]
    private struct Instruction(ushort code, byte ifTrue, byte ifFalse, uint operand)
    {
        public ushort Code = code;
        public byte IfTrue = ifTrue;
        public byte IfFalse = ifFalse;
        public uint Operand = operand;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Filter
    {
        public ushort Length;
        public Instruction* Instructions;
    }

    /// <summary>Has a call fail with EPERM.</summary>
    public static void Refuse(int call) => Install(
    [
        new Instruction(LoadWord, 0, 0, NumberOffset),
        new Instruction(JumpIfEqual, 0, 1, (uint)call),
        new Instruction(Return, 0, 0, RefuseWith | 1),
        new Instruction(Return, 0, 0, Allow),
    ]);

    /// <summary>
    /// Has the ways to executable memory fail with EPERM that a heap has: mmap of memory that is shared, as a heap's code page is and the
    /// runtime's own is not, and mprotect of one page.
    /// </summary>
    public static void RefuseExecutableMemory() => Install(
    [
        new Instruction(LoadWord, 0, 0, NumberOffset),
        new Instruction(JumpIfEqual, 2, 0, MapCall),
        new Instruction(JumpIfEqual, 5, 0, ProtectCall),
        new Instruction(Return, 0, 0, Allow),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(2)),
        new Instruction(JumpIfAnySet, 0, 6, Executable),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(3)),
        new Instruction(JumpIfAnySet, 5, 4, Shared),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(1)),
        new Instruction(JumpIfEqual, 0, 2, OnePage),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(2)),
        new Instruction(JumpIfEqual, 1, 0, ReadableAndExecutable),
        new Instruction(Return, 0, 0, Allow),
        new Instruction(Return, 0, 0, RefuseWith | 1),
    ]);

    /// <summary>Has mprotect fail with EPERM where it is to make one page executable.</summary>
    public static void RefuseToMakeExecutable() => Install(
    [
        new Instruction(LoadWord, 0, 0, NumberOffset),
        new Instruction(JumpIfEqual, 0, 5, ProtectCall),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(1)),
        new Instruction(JumpIfEqual, 0, 3, OnePage),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(2)),
        new Instruction(JumpIfEqual, 0, 1, ReadableAndExecutable),
        new Instruction(Return, 0, 0, RefuseWith | 1),
        new Instruction(Return, 0, 0, Allow),
    ]);

    /// <summary>Has the barrier for all processors raise a signal instead, unless the instruction before an address calls.</summary>
    public static void TrapBarriers(nint except) => Install(
    [
        new Instruction(LoadWord, 0, 0, InstructionPointerOffset),
        new Instruction(JumpIfEqual, 3, 0, unchecked((uint)except)),
        new Instruction(LoadWord, 0, 0, NumberOffset),
        new Instruction(JumpIfEqual, 0, 1, MembarrierCall),
        new Instruction(Return, 0, 0, RaiseSignal),
        new Instruction(Return, 0, 0, Allow),
    ]);

    /// <summary>The same of mmap for executable memory that is shared.</summary>
    public static void TrapExecutableViews(nint except) => Install(
    [
        new Instruction(LoadWord, 0, 0, InstructionPointerOffset),
        new Instruction(JumpIfEqual, 7, 0, unchecked((uint)except)),
        new Instruction(LoadWord, 0, 0, NumberOffset),
        new Instruction(JumpIfEqual, 0, 5, MapCall),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(2)),
        new Instruction(JumpIfAnySet, 0, 3, Executable),
        new Instruction(LoadWord, 0, 0, ArgumentOffset(3)),
        new Instruction(JumpIfAnySet, 0, 1, Shared),
        new Instruction(Return, 0, 0, RaiseSignal),
        new Instruction(Return, 0, 0, Allow),
    ]);

    /// <summary>Becomes a fresh process of this program, with the filters, that runs a scenario.</summary>
    public static void BecomeScenario(string name)
    {
        List<string> arguments = [Environment.ProcessPath!];
        if (Path.GetFileNameWithoutExtension(arguments[0]) == "dotnet")
            arguments.Add(typeof(Seccomp).Assembly.Location);
        arguments.AddRange([ChildProcess.Argument, name]);
        nint* vector = (nint*)NativeMemory.AllocZeroed((nuint)arguments.Count + 1, (nuint)sizeof(nint));
        for (int i = 0; i < arguments.Count; i++)
            vector[i] = Marshal.StringToCoTaskMemUTF8(arguments[i]);
        Execute(vector[0], vector);
        Expect.Fail($"execv failed: errno {Marshal.GetLastSystemError()}");
    }

    // The lower half of a system call's argument, counted from 0.
    private static uint ArgumentOffset(uint argument) => FirstArgumentOffset + argument * sizeof(ulong);

    private static void Install(Instruction[] instructions)
    {
        Assumption.X64("the filter names the calls by its numbers.");
        fixed (Instruction* first = instructions)
        {
            Filter filter = new Filter { Length = (ushort)instructions.Length, Instructions = first };
            Expect.Equal(0, Control(SetNoNewPrivileges, 1, 0, 0, 0));
            Expect.Equal(0, Control(SetSeccomp, ModeFilter, (nuint)(&filter), 0, 0));
        }
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int operation, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc", EntryPoint = "execv")]
    private static partial int Execute(nint path, nint* arguments);
}
