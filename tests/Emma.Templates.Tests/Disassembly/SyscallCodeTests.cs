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
        }
    }
}
