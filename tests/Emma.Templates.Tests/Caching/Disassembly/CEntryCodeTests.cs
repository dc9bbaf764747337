using System.Buffers.Binary;
using Emma.Templates.Tests;
using Iced.Intel;

namespace Emma.Templates;

public static unsafe partial class EmmaHeap
{
    public static partial class HeapInternals
    {
        /// <summary>The machine code that C calls, held against its listing, the fast paths, and the calling convention.</summary>
        public class CEntryCodeTests
        {
            private static readonly Register[] s_scratch =
            [
                Register.RAX, Register.RCX, Register.RDX, Register.RSI, Register.RDI, Register.R8, Register.R9, Register.R10, Register.R11,
            ];

            private static readonly int[] s_entries =
            [
                CEntryCode.Malloc, CEntryCode.Free, CEntryCode.Realloc, CEntryCode.OpaqueAlloc, CEntryCode.OpaqueFree, CEntryCode.ZlibAlloc,
                CEntryCode.Bzip2Alloc, CEntryCode.LuaAlloc, CEntryCode.SqliteMalloc, CEntryCode.SqliteRealloc,
            ];

            private static Instruction[] Code => Disassembler.Decode(CEntryCode.Entries);

            [Fact]
            public void The_comments_beside_the_bytes_are_their_disassembly()
            {
                Listing listing = Expect.Single(Listing.AllIn("Managed/CEntryCode.cs"));
                Expect.Equal(nameof(CEntryCode.Entries), listing.Name);
                listing.AssertIsDisassemblyOf(CEntryCode.Entries);
            }

            /// <summary>Where indirect branches are checked (Intel's CET), they may lead to such an instruction only.</summary>
            [Fact]
            public void Each_entry_and_nothing_else_begins_with_endbr64() =>
                Expect.Equal(
                    s_entries.Select(entry => (ulong)entry),
                    Code.Where(instruction => instruction.Mnemonic == Mnemonic.Endbr64).Select(instruction => instruction.IP));

            [Fact]
            public void Every_way_ends_in_a_return_or_in_a_managed_entry_without_a_loop()
            {
                Dictionary<ulong, Instruction> code = Code.ToDictionary(instruction => instruction.IP);
                HashSet<ulong> ended = [];
                foreach (int entry in s_entries)
                    Walk((ulong)entry, []);
                // What no way leads to is never run.
                Expect.All(code.Values.Where(i => !ended.Contains(i.IP)), i => Expect.Equal(Mnemonic.Int3, i.Mnemonic));

                void Walk(ulong at, List<ulong> before)
                {
                    Expect.False(before.Contains(at), $"a loop leads to 0x{at:x}");
                    if (!ended.Add(at) && before.Count == 0)
                        return;
                    Instruction instruction = code[at];
                    Expect.False(instruction.HasLockPrefix);
                    List<ulong> way = [.. before, at];
                    switch (instruction.FlowControl)
                    {
                        case FlowControl.Next or FlowControl.Call:
                            Walk(instruction.NextIP, way);
                            break;
                        case FlowControl.ConditionalBranch:
                            Walk(instruction.NextIP, way);
                            Walk(instruction.NearBranchTarget, way);
                            break;
                        case FlowControl.UnconditionalBranch:
                            Walk(instruction.NearBranchTarget, way);
                            break;
                        default:
                            Expect.Contains(instruction.Mnemonic, new[] { Mnemonic.Ret, Mnemonic.Jmp });
                            break;
                    }
                }
            }

            [Fact]
            public void Calls_lead_to_the_fast_paths_and_jumps_out_to_the_table_of_managed_entries()
            {
                const int fast = CEntryCode.FastPathsOffset;
                int[] calls = [.. Code.Where(i => i.FlowControl == FlowControl.Call).Select(i => (int)i.NearBranchTarget)];
                Expect.Equal(
                    [fast + FastPathCode.TakeOffset, fast + FastPathCode.TakeLargeOffset, fast + FastPathCode.GiveOffset,
                        fast + FastPathCode.GiveOffset],
                    calls);
                int[] jumps = [.. Code.Where(i => i.FlowControl == FlowControl.IndirectBranch).Select(i => (int)i.MemoryDisplacement64)];
                Expect.Equal(Enumerable.Range(0, 4).Select(i => CEntryCode.TableOffset + i * sizeof(nint)), jumps);
                Expect.All(
                    Code.Where(i => i.MemoryBase != Register.None),
                    i => Expect.True(i.IsIPRelativeMemoryOperand && i.FlowControl == FlowControl.IndirectBranch));
            }

            /// <summary>The stack is the caller's at each jump to a managed entry, which finds it as a function of C does.</summary>
            [Fact]
            public void Only_registers_that_a_caller_expects_to_lose_are_written_and_the_stack_is_left_alone()
            {
                InstructionInfoFactory factory = new InstructionInfoFactory();
                foreach (Instruction instruction in Code.Where(i => i.FlowControl is not (FlowControl.Return or FlowControl.Call)))
                {
                    InstructionInfo info = factory.GetInfo(instruction);
                    Expect.All(Written(info), register => Expect.Contains(register, s_scratch));
                    Expect.DoesNotContain(info.GetUsedRegisters(), used => used.Register.GetFullRegister() == Register.RSP);
                }
            }

            /// <summary>What the managed entry is to get, a size in r11 or a block in rdi, the fast paths leave alone.</summary>
            [Fact]
            public void The_fast_paths_leave_what_the_managed_entry_needs()
            {
                InstructionInfoFactory factory = new InstructionInfoFactory();
                foreach ((byte[] routine, Register kept) in ((byte[], Register)[])
                [
                    (FastPathCode.Take.ToArray(), Register.R11), (FastPathCode.TakeChecked.ToArray(), Register.R11),
                    (FastPathCode.TakeLarge.ToArray(), Register.R11), (FastPathCode.Give.ToArray(), Register.RDI),
                    (FastPathCode.GiveChecked.ToArray(), Register.RDI),
                ])
                {
                    foreach (Instruction instruction in Disassembler.Decode(routine))
                        Expect.DoesNotContain(kept, Written(factory.GetInfo(instruction)));
                }
            }

            [Fact]
            public void The_page_has_the_entries_the_addresses_of_managed_ones_and_the_fast_paths()
            {
                const int line = 64;
                Callbacks.Free(Callbacks.Malloc(1));
                byte[] code = CEntryCode.Compose();
                byte[] fastPaths = SmallBlocks.MachineCode();
                Expect.True(CEntryCode.Entries.Length <= CEntryCode.TableOffset);
                Expect.Equal((0, 0), (CEntryCode.TableOffset % line, CEntryCode.FastPathsOffset % line));
                Expect.True(code.Length <= CodePage.Bytes);
                Expect.Equal(CEntryCode.Entries.ToArray(), code[..CEntryCode.Entries.Length]);
                Expect.Equal(fastPaths, code[CEntryCode.FastPathsOffset..]);
                nint[] managed =
                [
                    (nint)(delegate* unmanaged[Cdecl]<nuint, void*>)&CEntries.Malloc,
                    (nint)(delegate* unmanaged[Cdecl]<void*, void>)&CEntries.Free,
                    (nint)(delegate* unmanaged[Cdecl]<void*, nuint, void*>)&CEntries.Realloc,
                    (nint)(delegate* unmanaged[Cdecl]<void*, void*, nuint, nuint, void*>)&CEntries.LuaAlloc,
                ];
                for (int i = 0; i < managed.Length; i++)
                {
                    Expect.Equal(
                        managed[i], (nint)BinaryPrimitives.ReadInt64LittleEndian(code.AsSpan(CEntryCode.TableOffset + i * sizeof(nint))));
                }
            }

            private static IEnumerable<Register> Written(InstructionInfo info) =>
                info.GetUsedRegisters()
                    .Where(used => used.Access is not (OpAccess.Read or OpAccess.CondRead or OpAccess.NoMemAccess))
                    .Select(used => used.Register.GetFullRegister());
        }
    }
}
