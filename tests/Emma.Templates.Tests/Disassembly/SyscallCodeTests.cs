using System.Reflection;
using System.Runtime.InteropServices;
using Emma.Templates.Tests;
using Iced.Intel;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        public class SyscallCodeTests
        {
            [Fact]
            public void The_comments_beside_the_bytes_are_their_disassembly()
            {
                Listing listing = Expect.Single(Listing.AllIn("Kernel/X64.cs"));

                Expect.Equal(nameof(X64.Syscall), listing.Name);
                listing.AssertIsDisassemblyOf(X64.Syscall);
            }

            [Fact]
            public void The_trampoline_enters_the_kernel_once_and_returns()
            {
                Instruction[] code = Disassembler.Decode(X64.Syscall);

                Expect.Equal(Mnemonic.Endbr64, code[0].Mnemonic);
                Expect.Equal([Mnemonic.Syscall, Mnemonic.Ret], code[^2..].Select(instruction => instruction.Mnemonic));
                Expect.All(code[1..^2], instruction => Expect.Equal(Mnemonic.Mov, instruction.Mnemonic));
            }

            /// <summary>
            /// The kernel takes them in rdi, rsi, rdx, r10, r8 and r9; a C function in rdi, rsi, rdx, rcx, r8, r9 and on the stack.
            /// </summary>
            [Fact]
            public void Each_argument_reaches_the_register_in_which_the_kernel_takes_it()
            {
                Dictionary<string, string> registers = new Dictionary<string, string>
                {
                    ["RDI"] = "number",
                    ["RSI"] = "a",
                    ["RDX"] = "b",
                    ["RCX"] = "c",
                    ["R8"] = "d",
                    ["R9"] = "e",
                    ["[RSP+8]"] = "f",
                };
                foreach (Instruction move in Disassembler.Decode(X64.Syscall)
                    .Where(instruction => instruction.Mnemonic == Mnemonic.Mov))
                {
                    string source = move.Op1Kind == OpKind.Register ? $"{move.Op1Register}"
                        : $"[{move.MemoryBase}+{move.MemoryDisplacement64}]";
                    registers[$"{move.Op0Register}"] = registers[source];
                }

                Expect.Equal(
                    ["number", "a", "b", "c", "d", "e", "f"],
                    new[] { "RAX", "RDI", "RSI", "RDX", "R10", "R8", "R9" }.Select(register => registers[register]));
            }

            /// <summary>
            /// A word each: `bti c`; moves of one register, `orr xd, xzr, xm`; `svc #0`; `ret`. The kernel takes the number in x8 and the
            /// rest from x0 on, a C function all from x0 on.
            /// </summary>
            [Fact]
            public void The_trampoline_of_arm64_moves_each_argument_to_where_the_kernel_takes_it()
            {
                uint[] code = MemoryMarshal.Cast<byte, uint>(Arm64.Syscall).ToArray();
                List<(uint To, uint From)> moves = [];
                foreach (uint word in code[1..^2])
                {
                    Expect.Equal(0xAA0003E0, word & 0xFFE0FFE0);
                    moves.Add((word & 31, (word >> 16) & 31));
                }

                Expect.Equal(0xD503245F, code[0]);
                Expect.Equal([(8u, 0u), (0u, 1u), (1u, 2u), (2u, 3u), (3u, 4u), (4u, 5u), (5u, 6u)], moves);
                Expect.Equal([0xD4000001, 0xD65F03C0], code[^2..]);

                Listing listing = Expect.Single(Listing.AllIn("Kernel/Arm64.cs"));
                Expect.Equal(Convert.ToHexString(Arm64.Syscall), string.Concat(listing.Lines.Select(line => line.Bytes)));
                string[] listed =
                [
                    "bti c", .. moves.Select(move => $"mov x{move.To}, x{move.From}"), "svc #0", "ret",
                ];
                Expect.Equal(listed, listing.Lines.Select(line => line.Assembly));
            }

            /// <summary>Those of asm-generic/unistd.h, which arm64 has, and of x86-64's own table.</summary>
            [Fact]
            public void A_call_holds_its_number_on_each_processor()
            {
                foreach (FieldInfo call in typeof(X64).GetFields(BindingFlags.NonPublic | BindingFlags.Static))
                {
                    int pair = In(typeof(CallNumber), call.Name);
                    Expect.Equal(In(typeof(X64), call.Name), pair & CallNumber.X64Mask);
                    Expect.Equal(In(typeof(Arm64), call.Name), pair >> CallNumber.Arm64Shift);
                }

                static int In(Type type, string call) =>
                    (int)type.GetField(call, BindingFlags.NonPublic | BindingFlags.Static)!.GetRawConstantValue()!;
            }
        }
    }
}
